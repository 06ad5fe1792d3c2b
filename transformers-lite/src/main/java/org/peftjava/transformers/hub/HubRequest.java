package org.peftjava.transformers.hub;

import java.net.URI;
import java.util.Map;
import java.util.Optional;

/**
 * A request to the hub or to the store of its large files.
 *
 * @param method such as "GET"
 * @param uri where it goes; the token goes along if this is the hub
 * @param headers further ones
 * @param body what is sent
 * @param anywhere whether a redirect to another host than the hub is followed
 */
record HubRequest(
    String method,
    URI uri,
    Map<String, String> headers,
    Optional<RequestBody> body,
    boolean anywhere) {
  static HubRequest head(URI uri) {
    return new HubRequest("HEAD", uri, Map.of(), Optional.empty(), false);
  }

  static HubRequest get(URI uri, Map<String, String> headers) {
    return new HubRequest("GET", uri, headers, Optional.empty(), true);
  }

  /** JSON or another small body, for the hub only. */
  static HubRequest post(URI uri, String contentType, RequestBody body) {
    return new HubRequest(
        "POST", uri, Map.of("Content-Type", contentType), Optional.of(body), false);
  }

  /** Contents of a file, to wherever the hub said. */
  static HubRequest put(URI uri, RequestBody body) {
    return new HubRequest("PUT", uri, Map.of(), Optional.of(body), true);
  }
}
