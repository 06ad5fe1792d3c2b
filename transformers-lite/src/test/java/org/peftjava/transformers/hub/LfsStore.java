package org.peftjava.transformers.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.sun.net.httpserver.HttpExchange;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/** The store of large files that have been uploaded, whole or in parts, each under its hash. */
final class LfsStore {
  private final Map<String, byte[]> store = new ConcurrentHashMap<>();
  private final Map<String, Map<Integer, byte[]>> parts = new ConcurrentHashMap<>();

  Optional<byte[]> get(String oid) {
    return Optional.ofNullable(store.get(oid));
  }

  /** Takes "/upload/oid" or "/upload/oid/part". */
  void upload(HttpExchange exchange, String[] path, byte[] body) throws IOException {
    HubWrites.require(
        exchange.getRequestHeaders().containsKey("Content-Length"), "the length is known");
    if (path.length == 3) {
      HubWrites.require(ServedCommit.sha256(body).equals(path[2]), "the contents have this hash");
      store.put(path[2], body);
    } else {
      parts
          .computeIfAbsent(path[2], oid -> new ConcurrentHashMap<>())
          .put(Integer.parseInt(path[3]), body);
    }
    exchange.getResponseHeaders().set("ETag", etag(body));
    HubServer.send(exchange, 200, new byte[0]);
  }

  private static String etag(byte[] part) {
    return "\"" + ServedCommit.gitHash(part) + "\"";
  }

  JsonNode complete(JsonNode payload) {
    String oid = payload.path("oid").asText();
    Map<Integer, byte[]> sent = new TreeMap<>(parts.getOrDefault(oid, Map.of()));
    ByteArrayOutputStream whole = new ByteArrayOutputStream();
    for (JsonNode part : payload.path("parts")) {
      byte[] bytes = sent.get(part.path("partNumber").asInt());
      HubWrites.require(
          bytes != null && etag(bytes).equals(part.path("etag").asText()), "a part is missing");
      whole.writeBytes(bytes);
    }
    HubWrites.require(
        ServedCommit.sha256(whole.toByteArray()).equals(oid), "the parts make the file");
    store.put(oid, whole.toByteArray());
    return JsonNodeFactory.instance.objectNode();
  }
}
