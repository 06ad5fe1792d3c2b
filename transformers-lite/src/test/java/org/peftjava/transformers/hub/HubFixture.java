package org.peftjava.transformers.hub;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;

/** A served repository, and clients that count their pauses instead of waiting. */
final class HubFixture implements AutoCloseable {
  static final RepoId REPO = RepoId.parse("org/model");
  static final RepoFiles FILES =
      new RepoFiles(
          List.of("config.json"),
          List.of(List.of("model.safetensors", "model.safetensors.index.json", "old.bin")));

  final HubServer server = new HubServer();
  final List<Duration> pauses = new ArrayList<>();
  final Map<String, byte[]> files = new LinkedHashMap<>();
  final Path cache;
  final String commit;

  HubFixture(Path cache) {
    this.cache = cache;
    files.put("config.json", "{\"model_type\": \"opt\"}".getBytes(StandardCharsets.UTF_8));
    files.put("model.safetensors", random(300_000));
    files.put("old.bin", random(2000));
    files.put("sub folder/notes.txt", "text".getBytes(StandardCharsets.UTF_8));
    commit = server.put("org/model", files);
  }

  static byte[] random(int bytes) {
    byte[] content = new byte[bytes];
    new Random(bytes).nextBytes(content);
    return content;
  }

  HubOptions.Builder options() {
    return HubOptions.builder(new HubEnvironment(Map.of(), cache))
        .cacheDir(cache)
        .endpoint(server.endpoint())
        .downloadTimeout(Duration.ofMillis(400))
        .etagTimeout(Duration.ofSeconds(5));
  }

  HubClient client() {
    return client(options().build());
  }

  HubClient client(HubOptions options) {
    return new HubClient(options, pauses::add);
  }

  Path download() {
    return client().snapshotDownload(REPO, FILES);
  }

  Path blob(String file) {
    byte[] content = Objects.requireNonNull(files.get(file));
    String etag =
        content.length >= 1000 ? ServedCommit.sha256(content) : ServedCommit.gitHash(content);
    return cache.resolve("models--org--model/blobs").resolve(etag);
  }

  /** Where the contents of a large file are served. */
  String contents(String file) {
    return "GET /cdn/" + blob(file).getFileName();
  }

  @Override
  public void close() {
    server.close();
  }
}
