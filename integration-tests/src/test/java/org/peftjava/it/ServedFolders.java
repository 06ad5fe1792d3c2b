package org.peftjava.it;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.peftjava.transformers.config.PythonJson;

/**
 * A hub that serves folders, each as one revision of a repository, to the real client. The whole
 * protocol is tested beside the client, in transformers-lite.
 */
final class ServedFolders implements AutoCloseable {
  private final HttpServer server;
  private final List<Revision> revisions = new CopyOnWriteArrayList<>();
  private final List<String> fetched = new CopyOnWriteArrayList<>();

  private record Revision(String repository, String name, Map<String, byte[]> files) {
    String commit() {
      return hash(repository + name, new byte[0]);
    }

    boolean isMeant(String path) {
      return path.startsWith(repository + "/revision/" + name)
          || path.startsWith(repository + "/resolve/" + name + "/")
          || path.startsWith(repository + "/resolve/" + commit() + "/");
    }
  }

  ServedFolders() {
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    server.createContext("/", this::handle);
    server.start();
  }

  String endpoint() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  /** The files that were fetched, such as "org/name@main config.json". */
  List<String> fetched() {
    return List.copyOf(fetched);
  }

  /**
   * Publishes the files of a folder.
   *
   * @param changes texts that other values of adapter_config.json give way to, by key
   */
  void put(String name, String revision, Path folder, Map<String, String> changes)
      throws IOException {
    Map<String, byte[]> files = new TreeMap<>();
    try (Stream<Path> paths = Files.list(folder)) {
      for (Path path : paths.toList()) {
        files.put(path.getFileName().toString(), Files.readAllBytes(path));
      }
    }
    if (!changes.isEmpty()) {
      ObjectNode config =
          (ObjectNode) PythonJson.read(folder.resolve("adapter_config.json"), 1 << 20);
      changes.forEach(config::put);
      files.put("adapter_config.json", config.toString().getBytes(StandardCharsets.UTF_8));
    }
    revisions.add(new Revision(name, revision, files));
  }

  private void handle(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().getPath().replaceFirst("^/(api/models/)?", "");
    Optional<Revision> found =
        revisions.stream().filter(revision -> revision.isMeant(path)).findFirst();
    try (exchange) {
      if (found.isEmpty()) {
        refuse(exchange, 401, "RepoNotFound");
        return;
      }
      Revision revision = found.get();
      exchange.getResponseHeaders().set("X-Repo-Commit", revision.commit());
      if (path.contains("/revision/")) {
        send(exchange, 200, info(revision));
        return;
      }
      String name = path.substring(path.lastIndexOf('/') + 1);
      byte[] file = revision.files().get(name);
      if (file == null) {
        refuse(exchange, 404, "EntryNotFound");
        return;
      }
      if (exchange.getRequestMethod().equals("GET")) {
        fetched.add(revision.repository() + "@" + revision.name() + " " + name);
      }
      String tag = hash("blob " + file.length + "\0", file);
      exchange.getResponseHeaders().set("ETag", "\"" + tag + "\"");
      send(exchange, 200, file);
    }
  }

  private static byte[] info(Revision revision) {
    String siblings =
        revision.files().keySet().stream()
            .map(file -> "{\"rfilename\": \"" + file + "\"}")
            .collect(Collectors.joining(", "));
    return "{\"sha\": \"%s\", \"siblings\": [%s]}"
        .formatted(revision.commit(), siblings)
        .getBytes(StandardCharsets.UTF_8);
  }

  private static void refuse(HttpExchange exchange, int status, String code) throws IOException {
    exchange.getResponseHeaders().set("X-Error-Code", code);
    send(exchange, status, new byte[] {'{', '}'});
  }

  private static void send(HttpExchange exchange, int status, byte[] body) throws IOException {
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.getResponseHeaders().set("Content-Length", Integer.toString(body.length));
      exchange.sendResponseHeaders(status, -1);
      return;
    }
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
  }

  /** What git calls a file. */
  private static String hash(String head, byte[] content) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-1");
      digest.update(head.getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(digest.digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
