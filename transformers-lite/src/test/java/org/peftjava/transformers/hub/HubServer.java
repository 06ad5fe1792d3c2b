package org.peftjava.transformers.hub;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;

/**
 * A hub on this machine: the part of its protocol that downloads and uploads need. The real Python
 * client was run against it, see integration-tests/src/test/python/hub_interop.py.
 *
 * <p>Large files (1,000 bytes and more) are in "LFS": the answer is a redirect to another host
 * name, which must not see the token.
 */
final class HubServer implements AutoCloseable {
  static final String TOKEN = "hf_secret";

  private final HttpServer server;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final Map<String, ServedRepository> repositories = new ConcurrentHashMap<>();
  private final List<Trap> traps = new CopyOnWriteArrayList<>();
  private final HubWrites writes = new HubWrites(this);
  private final List<String> log = new CopyOnWriteArrayList<>();

  /** Answers requests in place of the hub, as often as it says. */
  private static final class Trap {
    private final String path;
    private final Answer answer;
    private int times;

    Trap(String path, int times, Answer answer) {
      this.path = path;
      this.times = times;
      this.answer = answer;
    }

    synchronized boolean springs(String request) {
      return request.contains(path) && times-- > 0;
    }
  }

  /** Writes an answer. */
  @FunctionalInterface
  interface Answer {
    void write(HttpExchange exchange) throws IOException;
  }

  HubServer() {
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    server.createContext("/", this::handle);
    server.setExecutor(threads);
    server.start();
  }

  /** Serves a folder as "org/model" until the input ends; prints the address. */
  public static void main(String[] arguments) throws IOException {
    try (HubServer hub = new HubServer()) {
      Map<String, byte[]> files = new TreeMap<>();
      Path folder = Path.of(arguments[0]);
      try (Stream<Path> paths = Files.walk(folder)) {
        for (Path file : paths.filter(Files::isRegularFile).toList()) {
          files.put(
              folder.relativize(file).toString().replace('\\', '/'), Files.readAllBytes(file));
        }
      }
      hub.put("org/model", files);
      hub.putGated("org/gated", files);
      System.out.println(hub.endpoint());
      System.out.flush();
      while (System.in.read() >= 0) {
        hub.log.clear();
      }
    }
  }

  String endpoint() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  String cdn() {
    return "http://localhost:" + server.getAddress().getPort();
  }

  /** Publishes files; returns the hash of the commit. */
  String put(String name, Map<String, byte[]> files) {
    return put(name, files, false);
  }

  /** Publishes files that only the token opens. */
  String putGated(String name, Map<String, byte[]> files) {
    return put(name, files, true);
  }

  private String put(String name, Map<String, byte[]> files, boolean gated) {
    ServedCommit commit = ServedCommit.of(name, "", new LinkedHashMap<>(files));
    ServedRepository repository = new ServedRepository(name, gated, false);
    List.of("main", "v1", "refs/pr/1").forEach(ref -> repository.put(ref, commit));
    repositories.put(name, repository);
    return commit.hash();
  }

  /** Makes a repository with the file that every new one has, unless it is there. */
  boolean create(ServedRepository repository) {
    byte[] attributes = "*.safetensors filter=lfs\n".getBytes(StandardCharsets.UTF_8);
    repository.put(
        "main",
        ServedCommit.of(repository.name(), "initial commit", Map.of(".gitattributes", attributes)));
    return repositories.putIfAbsent(repository.name(), repository) == null;
  }

  ServedRepository repository(String name) {
    ServedRepository repository = repositories.get(name);
    if (repository == null) {
      throw new HubWrites.Refusal(404, "RepoNotFound", "Repository not found");
    }
    return repository;
  }

  /** The contents with a hash. */
  Optional<byte[]> content(String sha) {
    return repositories.values().stream()
        .flatMap(repository -> repository.contents().stream())
        .filter(bytes -> ServedCommit.sha256(bytes).equals(sha))
        .findFirst();
  }

  /** Answers the next requests whose method and path contain a text, such as "GET /org". */
  void trap(String path, int times, Answer answer) {
    traps.add(new Trap(path, times, answer));
  }

  /** Methods and paths of the requests so far; those with a token end in " token". */
  List<String> log() {
    return List.copyOf(log);
  }

  void clearLog() {
    log.clear();
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }

  private void handle(HttpExchange exchange) throws IOException {
    String path = URLDecoder.decode(exchange.getRequestURI().getRawPath(), StandardCharsets.UTF_8);
    String request = exchange.getRequestMethod() + " " + path;
    Optional<String> token =
        Optional.ofNullable(exchange.getRequestHeaders().getFirst("Authorization"));
    if (path.equals("/_log")) {
      send(exchange, 200, String.join("\n", log).getBytes(StandardCharsets.UTF_8));
      return;
    }
    log.add(request + (token.isPresent() ? " token" : ""));
    Optional<Trap> trap = traps.stream().filter(t -> t.springs(request)).findFirst();
    try (exchange) {
      if (trap.isPresent()) {
        trap.get().answer.write(exchange);
      } else if (List.of("POST", "PUT").contains(exchange.getRequestMethod())) {
        writes.handle(exchange, path, token.map(text -> text.replace("Bearer ", "")));
      } else if (path.startsWith("/cdn/")) {
        cdn(exchange, path.substring(5));
      } else {
        hub(exchange, path, token.equals(Optional.of("Bearer " + TOKEN)));
      }
    }
  }

  private void hub(HttpExchange exchange, String path, boolean opened) throws IOException {
    boolean api = path.startsWith("/api/models/");
    String rest = path.substring(api ? 12 : 1);
    String kind = api ? (rest.contains("/tree/") ? "/tree/" : "/revision/") : "/resolve/";
    int at = rest.indexOf(kind);
    String name = at < 0 ? rest : rest.substring(0, at);
    ServedRepository repository = repositories.get(name);
    if (repository == null || (repository.isPrivate() && !opened)) {
      error(exchange, 401, "RepoNotFound", "Repository not found");
      return;
    }
    String revisionAndFile = at < 0 ? "main" : rest.substring(at + kind.length());
    int end = api ? revisionAndFile.length() : repository.revisionLength(revisionAndFile);
    Optional<ServedCommit> commit = repository.commit(revisionAndFile.substring(0, end));
    if (commit.isEmpty()) {
      error(exchange, 404, "RevisionNotFound", "Invalid rev id: " + revisionAndFile);
      return;
    }
    if (repository.gated() && !opened && !kind.equals("/revision/")) {
      error(exchange, 401, "GatedRepo", "Access to model " + name + " is restricted.");
      return;
    }
    exchange.getResponseHeaders().set("X-Repo-Commit", commit.get().hash());
    if (api) {
      String json = kind.equals("/tree/") ? commit.get().tree() : commit.get().info(repository);
      exchange.getResponseHeaders().set("Content-Type", "application/json; charset=utf-8");
      send(exchange, 200, json.getBytes(StandardCharsets.UTF_8));
    } else {
      resolve(exchange, commit.get(), revisionAndFile.substring(end + 1));
    }
  }

  private void resolve(HttpExchange exchange, ServedCommit commit, String file) throws IOException {
    byte[] content = commit.files().get(file);
    if (content == null) {
      error(exchange, 404, "EntryNotFound", "Entry not found");
    } else if (content.length >= ServedCommit.LFS_BYTES) {
      String sha = ServedCommit.sha256(content);
      exchange.getResponseHeaders().set("X-Linked-Etag", "\"" + sha + "\"");
      exchange.getResponseHeaders().set("X-Linked-Size", Integer.toString(content.length));
      exchange.getResponseHeaders().set("Location", cdn() + "/cdn/" + sha);
      exchange.sendResponseHeaders(302, -1);
    } else {
      exchange.getResponseHeaders().set("ETag", "\"" + ServedCommit.gitHash(content) + "\"");
      send(exchange, 200, content);
    }
  }

  private void cdn(HttpExchange exchange, String sha) throws IOException {
    byte[] content = writes.stored(sha).or(() -> content(sha)).orElseThrow();
    String range = exchange.getRequestHeaders().getFirst("Range");
    if (range == null) {
      send(exchange, 200, content);
      return;
    }
    int from = Integer.parseInt(range.substring("bytes=".length(), range.length() - 1));
    exchange
        .getResponseHeaders()
        .set("Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
    send(exchange, 206, Arrays.copyOfRange(content, from, content.length));
  }

  private static void error(HttpExchange exchange, int status, String code, String message)
      throws IOException {
    exchange.getResponseHeaders().set("X-Error-Code", code);
    exchange.getResponseHeaders().set("X-Error-Message", message);
    send(exchange, status, ("{\"error\": \"" + message + "\"}").getBytes(StandardCharsets.UTF_8));
  }

  /** Sends a body, or its length only for HEAD. */
  static void send(HttpExchange exchange, int status, byte[] body) throws IOException {
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.getResponseHeaders().set("Content-Length", Integer.toString(body.length));
      exchange.sendResponseHeaders(status, -1);
      return;
    }
    exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    try (OutputStream out = exchange.getResponseBody()) {
      out.write(body);
    }
  }
}
