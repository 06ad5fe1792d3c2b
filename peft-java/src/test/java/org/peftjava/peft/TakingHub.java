package org.peftjava.peft;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.peftjava.transformers.config.PythonJson;

/**
 * A hub with one repository, "org/adapter", that takes every file in the commit itself. The whole
 * protocol is tested beside the client, in transformers-lite.
 */
public final class TakingHub implements AutoCloseable {
  public static final String TOKEN = "hf_secret";

  private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private final HttpServer server;

  /** What the repository holds. */
  public final Map<String, byte[]> files = new TreeMap<>();

  /** Methods and addresses of the requests. */
  public final List<String> requests = new ArrayList<>();

  /** The messages of the commits. */
  public final List<String> messages = new ArrayList<>();

  public TakingHub() {
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    server.createContext("/", this::handle);
    server.start();
  }

  public String endpoint() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  public String text(String file) {
    return new String(files.getOrDefault(file, new byte[0]), StandardCharsets.UTF_8);
  }

  private void handle(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().toString();
    requests.add(exchange.getRequestMethod() + " " + path);
    String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
    String token = exchange.getRequestHeaders().getFirst("Authorization");
    try (exchange) {
      if (!("Bearer " + TOKEN).equals(token)) {
        send(exchange, 401, "{\"error\": \"Invalid username or password.\"}");
      } else if (path.contains("/resolve/")) {
        resolve(exchange, path.substring(path.lastIndexOf('/') + 1));
      } else {
        send(exchange, 200, answer(path, body).toString());
      }
    }
  }

  private JsonNode answer(String path, String body) {
    ObjectNode answer = JSON.objectNode().put("url", endpoint() + "/org/adapter");
    if (path.contains("/revision/")) {
      answer.put("sha", COMMIT);
      var siblings = answer.putArray("siblings");
      files.keySet().forEach(name -> siblings.addObject().put("rfilename", name));
    } else if (path.contains("/preupload/")) {
      var said = answer.putArray("files");
      for (JsonNode file : json(body).path("files")) {
        said.addObject()
            .put("path", file.path("path").asText())
            .put("uploadMode", "regular")
            .put("shouldIgnore", false);
      }
    } else if (path.contains("/commit/")) {
      for (String line : body.lines().toList()) {
        JsonNode value = json(line).path("value");
        if (value.has("content")) {
          byte[] content = Base64.getDecoder().decode(value.path("content").asText());
          files.put(value.path("path").asText(), content);
        } else {
          messages.add(value.path("summary").asText());
        }
      }
      answer
          .put("commitUrl", endpoint() + "/org/adapter/commit/" + COMMIT)
          .put("commitOid", COMMIT)
          .put("pullRequestUrl", endpoint() + "/org/adapter/discussions/3");
    }
    return answer;
  }

  private void resolve(HttpExchange exchange, String file) throws IOException {
    exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
    exchange.getResponseHeaders().set("ETag", "\"" + files.get(file).length + "\"");
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.getResponseHeaders().set("Content-Length", Integer.toString(files.get(file).length));
      exchange.sendResponseHeaders(200, -1);
    } else {
      send(exchange, 200, text(file));
    }
  }

  private static void send(HttpExchange exchange, int status, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
  }

  private static JsonNode json(String text) {
    return PythonJson.parse(text, Path.of("request"));
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
