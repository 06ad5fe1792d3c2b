package org.peftjava.transformers.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;
import org.peftjava.transformers.hub.HubException.Reason;

/** Requests whose answers are read whole: those that write, which need a token. */
final class HubCalls {
  private static final int MAX_ANSWER = 16 << 20;
  private static final String JSON = "application/json";

  private final HubOptions options;
  private final HubHttp http;

  /** What the server said. */
  record Answer(URI uri, int status, HttpHeaders headers, String text) {
    boolean isGood() {
      return status / 100 == 2;
    }

    /** The body as JSON. */
    JsonNode json() {
      try {
        return PythonJson.parse(text, Path.of("answer"));
      } catch (InvalidFileException e) {
        throw new HubException(
            Reason.INVALID_ANSWER,
            "The answer of "
                + HubHttp.shown(uri)
                + " cannot be read ("
                + FileNames.shown(String.valueOf(e.getMessage()))
                + "). Does HF_ENDPOINT point to a hub?",
            e);
      }
    }
  }

  HubCalls(HubOptions options, Pause pause) {
    this.options = options;
    this.http = new HubHttp(options, pause);
  }

  /** Checks that writing is possible at all. */
  void checkWritable() {
    if (options.localFilesOnly()) {
      throw new HubException(
          Reason.UNAVAILABLE,
          "Nothing is sent to the hub: requests are off (HF_HUB_OFFLINE or localFilesOnly).");
    }
    if (options.token().isEmpty()) {
      throw new HubException(
          Reason.UNAUTHORIZED,
          "Writing to "
              + options.endpoint()
              + " needs a token. Set HF_TOKEN to one with write permission (made at "
              + options.endpoint()
              + "/settings/tokens), or log in with \"hf auth login\".");
    }
  }

  /** An address on the hub. */
  URI uri(String path) {
    return URI.create(options.endpoint() + path);
  }

  Answer get(String path) {
    URI uri = uri(path);
    return read(uri, http.get(uri, Pause.RETRIES));
  }

  Answer post(String path, JsonNode json, int retries) {
    return post(uri(path), JSON, bytes(json), retries);
  }

  Answer post(URI uri, String contentType, RequestBody body, int retries) {
    return read(uri, http.send(HubRequest.post(uri, contentType, body), retries));
  }

  Answer put(URI uri, RequestBody body) {
    return read(uri, http.send(HubRequest.put(uri, body), Pause.RETRIES));
  }

  static RequestBody bytes(JsonNode json) {
    return RequestBody.of(json.toString().getBytes(StandardCharsets.UTF_8));
  }

  private Answer read(URI uri, HttpResponse<InputStream> answer) {
    byte[] body = TimedBody.readAll(answer.body(), options.uploadTimeout(), MAX_ANSWER, uri);
    return new Answer(
        uri, answer.statusCode(), answer.headers(), new String(body, StandardCharsets.UTF_8));
  }
}
