package org.peftjava.transformers.hub;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.peftjava.transformers.hub.HubException.Reason;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Fetches one file into {@code [etag].incomplete}, goes on where an earlier attempt or process
 * stopped, checks size and hash, and moves it into place in one step.
 *
 * <p>Never more bytes are written than the hub has announced.
 */
final class BlobDownload {
  private static final Logger LOG = LoggerFactory.getLogger(BlobDownload.class);
  private static final int CHUNK = 1 << 16;
  private static final long REPORT_BYTES = 1 << 19;
  private static final int MAX_ATTEMPTS = 100;

  private final HubHttp http;
  private final HubOptions options;
  private final Pause pause;
  private final String name;
  private final URI uri;
  private final RemoteFile remote;
  private final Path incomplete;

  /** A failure of one attempt that another may not have. */
  private static final class Temporary extends Exception {
    private static final long serialVersionUID = 1L;

    private final Optional<Duration> wait;

    Temporary(String message, Optional<Duration> wait) {
      super(message);
      this.wait = wait;
    }
  }

  BlobDownload(
      HubHttp http,
      HubOptions options,
      Pause pause,
      String name,
      URI uri,
      RemoteFile remote,
      Path incomplete) {
    this.http = http;
    this.options = options;
    this.pause = pause;
    this.name = name;
    this.uri = uri;
    this.remote = remote;
    this.incomplete = incomplete;
  }

  /**
   * Downloads to {@code target}.
   *
   * @param error says what an answer that is no success means
   */
  void run(Path target, Function<HttpResponse<?>, HubException> error) {
    try {
      if (have() > remote.size()) {
        Files.delete(incomplete);
      }
      checkRoom();
      boolean resumed = have() > 0;
      transferAll(error);
      if (!BlobHash.matches(incomplete, remote.etag()) && resumed) {
        LOG.warn("The part of {} that was here already is damaged; fetching all of it.", name);
        Files.delete(incomplete);
        transferAll(error);
      }
      if (have() != remote.size() || !BlobHash.matches(incomplete, remote.etag())) {
        Files.delete(incomplete);
        throw invalid(
            "does not have the contents that its checksum " + remote.etag() + " stands for");
      }
      Files.move(incomplete, target, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw HubCache.cannotWrite(incomplete, e);
    }
  }

  private void transferAll(Function<HttpResponse<?>, HubException> error) throws IOException {
    if (remote.size() == 0) {
      Files.write(incomplete, new byte[0]);
    }
    options.progress().onProgress(name, have(), remote.size());
    int failures = 0;
    for (int attempt = 1; have() < remote.size(); attempt++) {
      long before = have();
      try {
        transfer(error);
      } catch (Temporary e) {
        failures = have() > before ? 1 : failures + 1;
        if (failures > Pause.RETRIES || attempt == MAX_ATTEMPTS) {
          throw new HubException(
              Reason.UNAVAILABLE,
              "The download of "
                  + name
                  + " stopped at "
                  + have()
                  + " of "
                  + remote.size()
                  + " bytes: "
                  + e.getMessage()
                  + ". Try again: it will go on from there.",
              e);
        }
        LOG.warn("The download of {} was interrupted ({}); going on.", name, e.getMessage());
        pause.pause(e.wait.orElse(Pause.backOff(failures)));
      }
    }
  }

  /** One request and its body, from the first byte that is missing. */
  private void transfer(Function<HttpResponse<?>, HubException> error)
      throws IOException, Temporary {
    long from = have();
    HttpResponse<InputStream> answer = request(from);
    int status = answer.statusCode();
    if (HubErrors.isTemporary(status)) {
      Optional<Duration> wait = http.retryAfter(answer);
      HubHttp.close(answer);
      throw new Temporary("HTTP " + status, wait);
    }
    if (from > 0 && (status == 416 || status == 200)) {
      from = 0; // the server cannot go on in the middle
      Files.delete(incomplete);
    }
    if (status == 416) {
      HubHttp.close(answer);
      throw new Temporary("HTTP 416", Optional.of(Duration.ZERO));
    }
    if (status != 200 && status != 206) {
      HubHttp.close(answer);
      throw error.apply(answer);
    }
    checkAnswer(answer, from);
    copy(answer, from);
  }

  private HttpResponse<InputStream> request(long from) throws Temporary {
    try {
      return http.once(uri, from == 0 ? Map.of() : Map.of("Range", "bytes=" + from + "-"));
    } catch (IOException e) {
      throw new Temporary(e.toString(), Optional.empty());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new HubException(Reason.UNAVAILABLE, "Interrupted while downloading " + name + ".", e);
    }
  }

  private void checkAnswer(HttpResponse<InputStream> answer, long from) {
    String range = "bytes " + from + "-" + (remote.size() - 1) + "/" + remote.size();
    Optional<String> claimed = answer.headers().firstValue("Content-Range");
    String problem = null;
    if (answer.statusCode() == 206 && !claimed.equals(Optional.of(range))) {
      problem = "comes as \"" + FileNames.shown(claimed.orElse("")) + "\", not " + range;
    }
    String encoding = answer.headers().firstValue("Content-Encoding").orElse("identity");
    if (!encoding.equals("identity")) {
      problem = "comes encoded (" + FileNames.shown(encoding) + "), which was not asked for";
    }
    String length = answer.headers().firstValue("Content-Length").orElse("");
    if (!length.isEmpty() && !length.equals(Long.toString(remote.size() - from))) {
      problem =
          "has " + FileNames.shown(length) + " bytes left, " + (remote.size() - from) + " expected";
    }
    if (problem != null) {
      HubHttp.close(answer);
      throw invalid(problem);
    }
  }

  private void copy(HttpResponse<InputStream> answer, long from) throws IOException, Temporary {
    long at = from;
    long reported = from;
    byte[] chunk = new byte[CHUNK];
    try (OutputStream out =
            Files.newOutputStream(
                incomplete, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        TimedBody body = new TimedBody(answer.body(), options.downloadTimeout())) {
      for (int count = read(body, chunk); count >= 0; count = read(body, chunk)) {
        if (count > remote.size() - at) {
          throw invalid("has more than the " + remote.size() + " bytes that were announced");
        }
        out.write(chunk, 0, count);
        at += count;
        if (at - reported >= REPORT_BYTES || at == remote.size()) {
          options.progress().onProgress(name, at, remote.size());
          reported = at;
        }
      }
    }
    if (at < remote.size()) {
      throw new Temporary("the connection ended early", Optional.empty());
    }
  }

  private static int read(TimedBody body, byte[] chunk) throws Temporary {
    try {
      return body.read(chunk);
    } catch (IOException e) {
      throw new Temporary(e.toString(), Optional.empty());
    }
  }

  private long have() throws IOException {
    return Files.exists(incomplete) ? Files.size(incomplete) : 0;
  }

  private void checkRoom() throws IOException {
    Path folder = incomplete.toAbsolutePath().getParent();
    if (folder == null) {
      return;
    }
    FileStore store = Files.getFileStore(folder);
    long needed = remote.size() - have();
    if (needed > store.getUsableSpace()) {
      throw new HubException(
          Reason.CACHE,
          "There is no room for "
              + name
              + ": it needs "
              + needed
              + " bytes, and "
              + folder
              + " has "
              + store.getUsableSpace()
              + ". Make room, or choose another folder with HF_HUB_CACHE.");
    }
  }

  private HubException invalid(String problem) {
    return new HubException(
        Reason.INVALID_ANSWER,
        "The file " + name + " from " + options.endpoint() + " " + problem + ". Try again later.");
  }
}
