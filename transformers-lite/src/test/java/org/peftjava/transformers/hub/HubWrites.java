package org.peftjava.transformers.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.transformers.config.PythonJson;

/**
 * The part of the hub's protocol that uploads need: repositories, branches, preupload, the store of
 * large files, commits. Files of 1,000 bytes and more are large; from 5,000 bytes on they come in
 * parts of 2,000.
 */
final class HubWrites {
  static final int MULTIPART_BYTES = 5000;
  static final int PART_BYTES = 2000;

  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private final HubServer server;
  private final LfsStore store = new LfsStore();

  /** An answer that is no success. */
  static final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int status;
    private final String code;
    private final transient Optional<String> url;

    Refusal(int status, String code, String message) {
      this(status, code, message, Optional.empty());
    }

    Refusal(int status, String code, String message, Optional<String> url) {
      super(message);
      this.status = status;
      this.code = code;
      this.url = url;
    }
  }

  HubWrites(HubServer server) {
    this.server = server;
  }

  Optional<byte[]> stored(String oid) {
    return store.get(oid);
  }

  /** Answers a POST or PUT. */
  void handle(HttpExchange exchange, String path, Optional<String> token) throws IOException {
    byte[] body = exchange.getRequestBody().readAllBytes();
    try {
      if (path.startsWith("/upload/")) {
        store.upload(exchange, path.split("/"), body);
      } else {
        String type = exchange.getRequestHeaders().getFirst("Content-Type");
        String answer = answer(exchange, path, token, type, body).toString();
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        HubServer.send(exchange, 200, answer.getBytes(StandardCharsets.UTF_8));
      }
    } catch (Refusal e) {
      ObjectNode answer = JSON.objectNode().put("error", e.getMessage());
      answer.putArray("errors").addObject().put("message", e.getMessage());
      e.url.ifPresent(url -> answer.put("url", url));
      if (!e.code.isEmpty()) {
        exchange.getResponseHeaders().set("X-Error-Code", e.code);
      }
      HubServer.send(exchange, e.status, answer.toString().getBytes(StandardCharsets.UTF_8));
    }
  }

  private JsonNode answer(
      HttpExchange exchange, String path, Optional<String> token, String type, byte[] body) {
    String text = new String(body, StandardCharsets.UTF_8);
    if (path.equals("/api/complete_multipart")) { // its address is its permission
      return store.complete(json(text));
    }
    if (token.isEmpty()) {
      throw new Refusal(401, "", "Invalid username or password.");
    }
    if (!token.get().equals(HubServer.TOKEN)) {
      throw new Refusal(403, "", "You don't have the required permissions");
    }
    if (path.equals("/api/repos/create")) {
      return create(json(text));
    }
    if (path.equals("/api/validate-yaml")) {
      return validate(json(text));
    }
    if (path.endsWith(".git/info/lfs/objects/batch")) {
      require(type.equals("application/vnd.git-lfs+json"), "the batch API has its own type");
      return batch(server.repository(path.substring(1, path.indexOf(".git/"))), json(text));
    }
    if (path.endsWith(".git/info/lfs/objects/verify")) {
      byte[] content = stored(json(text).path("oid").asText()).orElse(null);
      require(content != null && content.length == json(text).path("size").asInt(), "not stored");
      return JSON.objectNode();
    }
    String[] names = path.split("/", 7); // "", api, models, organization, name, verb, revision
    require(path.startsWith("/api/models/") && names.length == 7, "no such endpoint: " + path);
    ServedRepository repository = server.repository(names[3] + "/" + names[4]);
    boolean createPr = "create_pr=1".equals(exchange.getRequestURI().getQuery());
    return switch (names[5]) {
      case "branch" -> branch(repository, names[6], json(text));
      case "preupload" -> preupload(commit(repository, names[6]), json(text));
      case "commit" -> {
        require(type.equals("application/x-ndjson"), "a commit is lines of JSON");
        yield commit(repository, names[6], createPr, text.split("\n"));
      }
      default -> throw new Refusal(404, "", "no such endpoint: " + path);
    };
  }

  private JsonNode create(JsonNode payload) {
    String organization =
        payload.path("organization").isNull() ? "user" : payload.path("organization").asText();
    String name = organization + "/" + payload.path("name").asText();
    if (!List.of("org", "user").contains(organization)) {
      throw new Refusal(
          403, "", "You don't have the rights to create a model under " + organization);
    }
    boolean isPrivate = payload.path("visibility").asText().equals("private");
    String url = server.endpoint() + "/" + name;
    if (!server.create(new ServedRepository(name, false, isPrivate))) {
      throw new Refusal(409, "", "You already created this model repo", Optional.of(url));
    }
    return JSON.objectNode().put("url", url).put("name", name);
  }

  private static JsonNode validate(JsonNode payload) {
    String content = payload.path("content").asText();
    if (content.contains("license: [")) {
      throw new Refusal(400, "", "bad indentation of a sequence entry");
    }
    ObjectNode answer = JSON.objectNode();
    answer.putArray("errors");
    var warnings = answer.putArray("warnings");
    if (!content.startsWith("---")) {
      warnings.addObject().put("message", "empty or missing yaml metadata in repo card");
    }
    return answer;
  }

  private static JsonNode branch(ServedRepository repository, String name, JsonNode payload) {
    if (name.startsWith("refs/")) {
      throw new Refusal(400, "", "Invalid reference for a branch: " + name);
    }
    if (repository.commit(name).isPresent()) {
      throw new Refusal(409, "", "Reference already exists");
    }
    repository.put(name, commit(repository, payload.path("startingPoint").asText("main")));
    return JSON.objectNode();
  }

  private static JsonNode preupload(ServedCommit commit, JsonNode payload) {
    List<String> ignored = List.of(payload.path("gitIgnore").asText().split("\n"));
    ObjectNode answer = JSON.objectNode();
    var files = answer.putArray("files");
    for (JsonNode file : payload.path("files")) {
      String path = file.path("path").asText();
      byte[] sample = Base64.getDecoder().decode(file.path("sample").asText());
      int size = file.path("size").asInt();
      require(sample.length == Math.min(512, size), "the sample is the first 512 bytes");
      ObjectNode said =
          files
              .addObject()
              .put("path", path)
              .put("uploadMode", size >= ServedCommit.LFS_BYTES ? "lfs" : "regular")
              .put("shouldIgnore", ignored.contains(path));
      byte[] present = commit.files().get(path);
      if (present != null) {
        said.put("oid", ServedCommit.oid(present));
      }
    }
    return answer;
  }

  private JsonNode batch(ServedRepository repository, JsonNode payload) {
    require(payload.path("operation").asText().equals("upload"), "an upload");
    ObjectNode answer = JSON.objectNode().put("transfer", "basic");
    var objects = answer.putArray("objects");
    for (JsonNode object : payload.path("objects")) {
      String oid = object.path("oid").asText();
      int size = object.path("size").asInt();
      ObjectNode said = objects.addObject().put("oid", oid).put("size", size);
      if (stored(oid).isPresent() || server.content(oid).isPresent()) {
        continue;
      }
      ObjectNode actions = said.putObject("actions");
      ObjectNode upload = actions.putObject("upload");
      if (size < MULTIPART_BYTES) {
        upload.put("href", server.cdn() + "/upload/" + oid + "?signature=secret");
        actions
            .putObject("verify")
            .put(
                "href",
                server.endpoint() + "/" + repository.name() + ".git/info/lfs/objects/verify");
      } else {
        upload.put("href", server.endpoint() + "/api/complete_multipart?signature=secret");
        ObjectNode header = upload.putObject("header");
        header.put("chunk_size", Integer.toString(PART_BYTES));
        for (int i = (size + PART_BYTES - 1) / PART_BYTES; i > 0; i--) {
          String part = "/upload/" + oid + "/" + i + "?signature=secret";
          header.put("%05d".formatted(i), server.cdn() + part);
        }
      }
    }
    return answer;
  }

  private synchronized JsonNode commit(
      ServedRepository repository, String revision, boolean createPr, String[] lines) {
    ServedCommit parent = commit(repository, revision);
    Map<String, byte[]> files = new LinkedHashMap<>(parent.files());
    JsonNode header = json(lines[0]).path("value");
    if (!header.path("parentCommit").asText(parent.hash()).equals(parent.hash())) {
      throw new Refusal(412, "", "A commit has happened since. Please refresh and try again.");
    }
    for (String line : List.of(lines).subList(1, lines.length)) {
      JsonNode value = json(line).path("value");
      String path = value.path("path").asText();
      switch (json(line).path("key").asText()) {
        case "file" -> files.put(path, Base64.getDecoder().decode(value.path("content").asText()));
        case "lfsFile" -> files.put(path, large(value));
        case "deletedFile" -> {
          if (files.remove(path) == null) {
            throw new Refusal(404, "EntryNotFound", "A file with this name doesn't exist");
          }
        }
        case "deletedFolder" -> files.keySet().removeIf(name -> name.startsWith(path));
        default -> throw new Refusal(400, "", "an unknown operation");
      }
    }
    String message = header.path("summary").asText() + "|" + header.path("description").asText();
    ServedCommit commit = ServedCommit.of(parent.hash(), message, files);
    String ref = createPr ? repository.nextPullRequest() : revision;
    repository.put(ref, commit);
    String url = server.endpoint() + "/" + repository.name();
    ObjectNode answer = JSON.objectNode().put("success", true).put("commitOid", commit.hash());
    if (createPr) {
      answer.put("pullRequestUrl", url + "/discussions/" + ref.substring("refs/pr/".length()));
    }
    return answer.put("commitUrl", url + "/commit/" + commit.hash());
  }

  private byte[] large(JsonNode value) {
    String oid = value.path("oid").asText();
    byte[] content = stored(oid).or(() -> server.content(oid)).orElse(null);
    require(content != null, "the file is in the store");
    require(content.length == value.path("size").asInt(content.length), "the file has this size");
    return content;
  }

  private static ServedCommit commit(ServedRepository repository, String revision) {
    return repository
        .commit(revision)
        .orElseThrow(() -> new Refusal(404, "RevisionNotFound", "Invalid rev id: " + revision));
  }

  static void require(boolean good, String what) {
    if (!good) {
      throw new Refusal(422, "", "refused: " + what);
    }
  }

  private static JsonNode json(String text) {
    return PythonJson.parse(text, Path.of("request"));
  }
}
