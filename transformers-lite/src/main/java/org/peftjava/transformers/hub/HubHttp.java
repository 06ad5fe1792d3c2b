package org.peftjava.transformers.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
        uri, Pause.RETRIES, () -> follow(uri, "HEAD", Map.of(), false, BodyHandlers.discarding()));
  }

  /** Asks for a body, with at most this many attempts more after temporary failures. */
  HttpResponse<InputStream> get(URI uri, int retries) {
    return retried(uri, retries, () -> once(uri, Map.of()));
  }

  /** Asks for a body once. */
  HttpResponse<InputStream> once(URI uri, Map<String, String> headers)
      throws IOException, InterruptedException {
    return follow(uri, "GET", headers, true, BodyHandlers.ofInputStream());
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
        LOG.warn("The hub answers {} with {}; asking again.", uri, answer.statusCode());
        pause.pause(wait);
      } catch (IOException e) {
        if (failures
            > Math.min(retries, e instanceof ConnectException ? CONNECT_RETRIES : retries)) {
          throw unreachable(uri, e);
        }
        LOG.warn("Cannot reach {} ({}); trying again.", uri, e.toString());
        pause.pause(Pause.backOff(failures));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new HubException(Reason.UNAVAILABLE, "Interrupted while asking " + uri + ".", e);
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

  static HubException unreachable(URI uri, IOException cause) {
    String reason = cause.getMessage() == null ? "" : ": " + FileNames.shown(cause.getMessage());
    return new HubException(
        Reason.UNAVAILABLE,
        "Cannot reach "
            + uri
            + " ("
            + cause.getClass().getSimpleName()
            + reason
            + "). Check the connection and the proxy, or set HF_HUB_OFFLINE=1 to use the cache"
            + " only.",
        cause);
  }

  private <T> HttpResponse<T> follow(
      URI first,
      String method,
      Map<String, String> headers,
      boolean anywhere,
      BodyHandler<T> handler)
      throws IOException, InterruptedException {
    URI uri = first;
    for (int i = 0; i <= MAX_REDIRECTS; i++) {
      HttpResponse<T> answer = client.send(request(uri, method, headers), handler);
      Optional<URI> next = redirect(uri, answer);
      if (next.isEmpty() || (!anywhere && !isHub(next.get()))) {
        return answer;
      }
      close(answer);
      uri = next.get();
    }
    throw new HubException(
        Reason.INVALID_ANSWER,
        "The hub redirects " + first + " more than " + MAX_REDIRECTS + " times. Try again later.");
  }

  private HttpRequest request(URI uri, String method, Map<String, String> headers) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(uri)
            .method(method, HttpRequest.BodyPublishers.noBody())
            .timeout(options.etagTimeout())
            .header("User-Agent", "peft-java")
            .header("Accept-Encoding", "identity"); // lengths are those of the files
    headers.forEach(request::header);
    if (isHub(uri)) {
      options.token().ifPresent(token -> request.header("Authorization", "Bearer " + token));
    }
    return request.build();
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
