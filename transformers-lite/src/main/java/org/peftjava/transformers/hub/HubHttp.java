package org.peftjava.transformers.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.peftjava.transformers.hub.HubException.Reason;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Requests to the hub: redirects by hand, so that the token goes to the hub alone; attempts again
 * after temporary failures.
 */
final class HubHttp {
  private static final Logger LOG = LoggerFactory.getLogger(HubHttp.class);
  private static final int MAX_REDIRECTS = 20;
  private static final Set<String> HUB_HOSTS = Set.of("huggingface.co", "hf.co");
  private static final int CONNECT_RETRIES = 2;

  private final HubOptions options;
  private final Pause pause;
  private final HttpClient client;

  HubHttp(HubOptions options, Pause pause) {
    this.options = options;
    this.pause = pause;
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(options.etagTimeout());
    Optional.ofNullable(ProxySelector.getDefault()).ifPresent(builder::proxy);
    client = builder.build();
  }

  /**
   * Asks for a file's headers, on the hub only: a redirect to another host is the answer, since its
   * headers describe the file.
   */
  HttpResponse<Void> head(URI uri) {
    return retried(
        uri, Pause.RETRIES, () -> follow(HubRequest.head(uri), BodyHandlers.discarding()));
  }

  /** Asks for a body, with at most this many attempts more after temporary failures. */
  HttpResponse<InputStream> get(URI uri, int retries) {
    return retried(uri, retries, () -> once(uri, Map.of()));
  }

  /** Asks for a body once. */
  HttpResponse<InputStream> once(URI uri, Map<String, String> headers)
      throws IOException, InterruptedException {
    return follow(HubRequest.get(uri, headers), BodyHandlers.ofInputStream());
  }

  /** Sends a body, with at most this many attempts more after temporary failures. */
  HttpResponse<InputStream> send(HubRequest request, int retries) {
    return retried(request.uri(), retries, () -> follow(request, BodyHandlers.ofInputStream()));
  }

  /** One request with its redirects. */
  @FunctionalInterface
  private interface Attempt<T> {
    HttpResponse<T> send() throws IOException, InterruptedException;
  }

  private <T> HttpResponse<T> retried(URI uri, int retries, Attempt<T> attempt) {
    for (int failures = 1; ; failures++) {
      try {
        HttpResponse<T> answer = attempt.send();
        if (!HubErrors.isTemporary(answer.statusCode()) || failures > retries) {
          return answer;
        }
        close(answer);
        Duration wait = retryAfter(answer).orElse(Pause.backOff(failures));
        LOG.warn("The hub answers {} with {}; asking again.", shown(uri), answer.statusCode());
        pause.pause(wait);
      } catch (IOException e) {
        if (failures
            > Math.min(retries, e instanceof ConnectException ? CONNECT_RETRIES : retries)) {
          throw unreachable(uri, e);
        }
        LOG.warn("Cannot reach {} ({}); trying again.", shown(uri), e.toString());
        pause.pause(Pause.backOff(failures));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new HubException(
            Reason.UNAVAILABLE, "Interrupted while asking " + shown(uri) + ".", e);
      }
    }
  }

  /** Seconds that the server asks to wait; a date there is not understood, as in Python. */
  Optional<Duration> retryAfter(HttpResponse<?> answer) {
    Optional<String> seconds =
        answer
            .headers()
            .firstValue("Retry-After")
            .map(String::strip)
            .filter(text -> text.matches("\\d{1,9}"));
    Optional<Duration> wait = seconds.map(text -> Duration.ofSeconds(Integer.parseInt(text)));
    wait.filter(duration -> duration.compareTo(Pause.LONGEST) > 0)
        .ifPresent(
            duration -> {
              close(answer);
              throw new HubException(
                  Reason.UNAVAILABLE,
                  "The hub asks to wait "
                      + duration.toSeconds()
                      + " seconds (HTTP "
                      + answer.statusCode()
                      + "). Try again then; with a token in HF_TOKEN the limits are higher.");
            });
    return wait;
  }

  /** An address without its query, which may be a signature that opens it. */
  static String shown(URI uri) {
    String text = uri.toString();
    return text.contains("?") ? text.substring(0, text.indexOf('?')) : text;
  }

  static HubException unreachable(URI uri, IOException cause) {
    String reason = cause.getMessage() == null ? "" : ": " + FileNames.shown(cause.getMessage());
    return new HubException(
        Reason.UNAVAILABLE,
        "Cannot reach "
            + shown(uri)
            + " ("
            + cause.getClass().getSimpleName()
            + reason
            + "). Check the connection and the proxy, or set HF_HUB_OFFLINE=1 to use the cache"
            + " only.",
        cause);
  }

  private <T> HttpResponse<T> follow(HubRequest request, BodyHandler<T> handler)
      throws IOException, InterruptedException {
    URI uri = request.uri();
    for (int i = 0; i <= MAX_REDIRECTS; i++) {
      HttpResponse<T> answer = exchange(request, uri, handler);
      Optional<URI> next = redirect(uri, answer);
      if (next.isEmpty()
          || (!request.anywhere() && !isHub(next.get()))
          || (request.body().isPresent() && answer.statusCode() < 307)) {
        return answer;
      }
      close(answer);
      uri = next.get();
    }
    throw new HubException(
        Reason.INVALID_ANSWER,
        "The hub redirects "
            + request.uri()
            + " more than "
            + MAX_REDIRECTS
            + " times. Try again later.");
  }

  private <T> HttpResponse<T> exchange(HubRequest request, URI uri, BodyHandler<T> handler)
      throws IOException, InterruptedException {
    HttpRequest.Builder message =
        HttpRequest.newBuilder(uri)
            .method(request.method(), BodyPublishers.noBody())
            .header("User-Agent", "peft-java")
            .header("Accept-Encoding", "identity"); // lengths are those of the files
    request.headers().forEach(message::header);
    if (isHub(uri) && !request.method().equals("PUT")) { // addresses for uploads are signed
      options.token().ifPresent(token -> message.header("Authorization", "Bearer " + token));
    }
    if (request.body().isEmpty()) {
      return client.send(message.timeout(options.etagTimeout()).build(), handler);
    }
    try (RequestBody body = request.body().get()) {
      message.method(request.method(), body.publisher());
      return watched(client.sendAsync(message.build(), handler), body);
    }
  }

  /** Waits for an answer as long as bytes go out. */
  private <T> HttpResponse<T> watched(CompletableFuture<HttpResponse<T>> answer, RequestBody body)
      throws IOException, InterruptedException {
    long timeout = options.uploadTimeout().toMillis();
    try {
      while (true) {
        try {
          return answer.get(Math.max(1, timeout / 4), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
          if (System.nanoTime() - body.movedAt() > options.uploadTimeout().toNanos()) {
            throw new HttpTimeoutException("no progress for " + timeout + " ms");
          }
        }
      }
    } catch (ExecutionException e) {
      throw e.getCause() instanceof IOException cause ? cause : new IOException(e.getCause());
    } finally {
      answer.cancel(true); // no effect on one that is here
    }
  }

  private Optional<URI> redirect(URI from, HttpResponse<?> answer) {
    int status = answer.statusCode();
    Optional<String> location = answer.headers().firstValue("Location");
    if (location.isEmpty()
        || !(status == 301 || status == 302 || status == 303 || status == 307 || status == 308)) {
      return Optional.empty();
    }
    try {
      URI target = from.resolve(location.get());
      boolean downgrade = "https".equals(from.getScheme()) && !"https".equals(target.getScheme());
      boolean web = "http".equals(target.getScheme()) || "https".equals(target.getScheme());
      if (web && !downgrade && target.getHost() != null) {
        return Optional.of(target);
      }
    } catch (IllegalArgumentException e) {
      throw badRedirect(from, location.get());
    }
    throw badRedirect(from, location.get());
  }

  private static HubException badRedirect(URI from, String location) {
    return new HubException(
        Reason.INVALID_ANSWER,
        "The hub redirects "
            + from
            + " to \""
            + FileNames.shown(location)
            + "\", which is no secure address.");
  }

  /** Whether an address is the hub itself, which alone may see the token. */
  private boolean isHub(URI uri) {
    URI hub = options.endpoint();
    boolean same =
        uri.getScheme().equals(hub.getScheme())
            && uri.getHost().equalsIgnoreCase(hub.getHost())
            && uri.getPort() == hub.getPort();
    return same
        || (HUB_HOSTS.contains(hub.getHost())
            && HUB_HOSTS.contains(uri.getHost())
            && "https".equals(uri.getScheme())
            && uri.getPort() < 0);
  }

  /** Gives up the body of an answer that is not wanted. */
  static void close(HttpResponse<?> answer) {
    if (answer.body() instanceof InputStream body) {
      try {
        body.close();
      } catch (IOException e) {
        LOG.debug("Cannot close an answer.", e);
      }
    }
  }
}
