package org.peftjava.transformers.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.transformers.hub.HubException.Reason;

/** A folder to upload, and the hub that takes it. */
abstract class HubUploadFixture {
  static final RepoId REPO = HubFixture.REPO;

  @TempDir Path cache;
  @TempDir Path folder;
  HubFixture hub;
  final Map<String, ByteText> files = new TreeMap<>();

  /** Contents that can be compared. */
  record ByteText(String hash, int size) {
    static ByteText of(byte[] bytes) {
      return new ByteText(ServedCommit.sha256(bytes), bytes.length);
    }
  }

  @BeforeEach
  void start() {
    hub = new HubFixture(cache);
  }

  @AfterEach
  void stop() {
    hub.close();
  }

  HfApi api() {
    return api(hub.options().token(HubServer.TOKEN));
  }

  HfApi api(HubOptions.Builder options) {
    return new HfApi(options.build(), hub.pauses::add);
  }

  Path put(String name, byte[] content) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    files.put(name, ByteText.of(content));
    return Files.write(file, content);
  }

  /** What the hub has, without some files. */
  Map<String, ByteText> served(String repository, String revision, String... without) {
    Map<String, byte[]> all =
        new HashMap<>(hub.server.repository(repository).commit(revision).orElseThrow().files());
    all.keySet().removeAll(Arrays.asList(without));
    Map<String, ByteText> result = new TreeMap<>();
    all.forEach((name, content) -> result.put(name, ByteText.of(content)));
    return result;
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static HubException assertReason(Reason reason, String part, Runnable action) {
    HubException error = assertThrows(HubException.class, action::run);
    assertEquals(reason, error.reason(), error.getMessage());
    assertTrue(String.valueOf(error.getMessage()).contains(part), error.getMessage());
    return error;
  }
}
