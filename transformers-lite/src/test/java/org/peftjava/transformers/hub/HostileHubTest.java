package org.peftjava.transformers.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.transformers.hub.HubException.Reason;

/** A hub that lies, stalls or attacks: each case ends in one sentence, and nothing is kept. */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HostileHubTest {
  @TempDir Path root;
  private Path cache;
  private HubFixture hub;

  @BeforeEach
  void start() throws IOException {
    cache = root.resolve("a/b/cache");
    Files.createDirectories(cache);
    hub = new HubFixture(cache);
  }

  @AfterEach
  void nothingIsOutsideOfTheCache() throws IOException {
    hub.close();
    try (Stream<Path> files = Files.list(root)) {
      assertEquals(List.of("a"), files.map(file -> file.getFileName().toString()).toList());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[]",
        "null",
        "not json",
        "",
        "{\"sha\": \"../../../etc\"}",
        "{\"sha\": \"ABCDEF\"}",
        "{\"sha\": 7}",
        "{\"siblings\": [{\"rfilename\": \"config.json\"}]}"
      })
  void answersWithoutACommitAreRefused(String json) {
    answer("revision", json);
    assertRefused("answer for org/model");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../evil",
        "a/../../evil",
        "/etc/passwd",
        "C:evil",
        "a\\\\b",
        "",
        "a//b",
        "./a",
        "a\\u0000b"
      })
  void namesThatLeaveTheFolderAreRefused(String name) {
    answer(
        "revision",
        "{\"sha\": \"" + hub.commit + "\", \"siblings\": [{\"rfilename\": \"" + name + "\"}]}");
    assertRefused("names the file");
    assertThrows(
        IllegalArgumentException.class,
        () -> hub.client().hfHubDownload(HubFixture.REPO, name.replace("\\u0000", "\u0000")));
  }

  @Test
  void endlessAnswersAreCutOff() {
    hub.server.trap(
        "revision",
        1,
        exchange -> {
          exchange.sendResponseHeaders(200, 0);
          byte[] spaces = " ".repeat(1 << 16).getBytes(StandardCharsets.UTF_8);
          try (OutputStream out = exchange.getResponseBody()) {
            for (int i = 0; i < 100_000; i++) {
              out.write(spaces);
            }
          }
        });
    assertRefused("more than 16777216 bytes");
  }

  @Test
  void deepAnswersAreRefused() {
    answer("revision", "[".repeat(1_000_000));
    assertRefused("cannot be read");
  }

  @Test
  void redirectsEnd() {
    hub.server.trap("GET /api", 1000, exchange -> redirect(exchange, "/api/models/again"));
    assertRefused("more than 20 times");
  }

  @ParameterizedTest
  @ValueSource(strings = {"file:///etc/passwd", "ftp://localhost/x", "ht!tp://", "//", "http:///x"})
  void redirectsToOtherThanTheWebAreRefused(String target) {
    hub.server.trap("GET /api", 1, exchange -> redirect(exchange, target));
    assertRefused("no secure address");
  }

  @Test
  void etagsAreNoPaths() {
    head(headers -> headers.set("X-Linked-Etag", "\"../../../../evil\""));
    assertRefused("the ETag");
    head(headers -> headers.set("X-Linked-Etag", "\"\""));
    assertRefused("the ETag");
    head(headers -> headers.set("X-Repo-Commit", "0".repeat(40)));
    assertRefused("the commit");
    head(headers -> headers.set("X-Linked-Size", "-5"));
    assertRefused("the size");
    head(headers -> headers.set("X-Linked-Size", "99999999999999999999"));
    assertRefused("the size");
  }

  @Test
  void filesLargerThanTheDiskAreNotBegun() {
    head(headers -> headers.set("X-Linked-Size", "999999999999999999"));
    HubException error = assertThrows(HubException.class, hub::download);
    assertEquals(Reason.CACHE, error.reason());
    assertTrue(error.getMessage().contains("no room"), error.getMessage());
    assertFalse(hub.server.log().contains(hub.contents("model.safetensors")));
  }

  @Test
  void otherLengthsAreRefused() {
    contents(200, new byte[300_001]);
    assertRefused("300001 bytes left, 300000 expected");
    contents(200, new byte[5]);
    assertRefused("5 bytes left");
    hub.server.trap(
        hub.contents("model.safetensors"),
        1,
        exchange -> {
          exchange.sendResponseHeaders(200, 0); // chunked, of unknown length
          exchange.getResponseBody().write(new byte[400_000]);
        });
    assertRefused("more than the 300000 bytes");
  }

  @Test
  void wrongContentsAreRefused() {
    contents(200, new byte[300_000]);
    assertRefused("checksum");
    hub.server.trap(
        "GET /org/model/resolve/" + hub.commit + "/config.json",
        1,
        exchange ->
            HubServer.send(
                exchange, 200, "{\"model_type\": \"bad\"}".getBytes(StandardCharsets.UTF_8)));
    assertRefused("checksum");
  }

  @Test
  void otherRangesAreRefused() throws IOException {
    Path blob = hub.blob("model.safetensors");
    Files.createDirectories(blob.getParent());
    Files.write(blob.resolveSibling(blob.getFileName() + ".incomplete"), new byte[1000]);
    contents(206, new byte[299_000]);
    assertRefused("comes as \"\", not bytes 1000-299999/300000");
  }

  @Test
  void aConnectionThatAlwaysEndsIsGivenUp() {
    hub.server.trap(
        hub.contents("model.safetensors"),
        99,
        exchange -> {
          exchange.sendResponseHeaders(200, 300_000);
          exchange.getResponseBody().write(new byte[0]);
          exchange.getResponseBody().flush();
        });
    HubException error = assertThrows(HubException.class, hub::download);
    assertEquals(Reason.UNAVAILABLE, error.reason());
    assertTrue(error.getMessage().contains("stopped at 0 of 300000 bytes"), error.getMessage());
    assertEquals(5, hub.pauses.size());
  }

  /** The timeout of a download is 0.4 s here. */
  @Test
  void aConnectionThatStallsIsGivenUp() {
    hub.server.trap(
        hub.contents("model.safetensors"),
        99,
        exchange -> {
          exchange.sendResponseHeaders(200, 300_000);
          exchange.getResponseBody().flush();
          pause();
        });
    HubException error = assertThrows(HubException.class, hub::download);
    assertTrue(error.getMessage().contains("no data for 400 ms"), error.getMessage());
  }

  @Test
  void anIndexDoesNotReachOtherFiles() {
    hub.server.put(
        "org/model",
        Map.of(
            "model.safetensors.index.json",
            "{\"weight_map\": {\"w\": \"../../../x\"}}".getBytes(StandardCharsets.UTF_8)));
    assertRefused("names the file \"../../../x\"");
  }

  private static void pause() {
    try {
      Thread.sleep(3000);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void answer(String path, String json) {
    byte[] body = json.getBytes(StandardCharsets.UTF_8);
    hub.server.trap(path, 1, exchange -> HubServer.send(exchange, 200, body));
  }

  private void contents(int status, byte[] body) {
    hub.server.trap(
        hub.contents("model.safetensors"), 1, exchange -> HubServer.send(exchange, status, body));
  }

  /** Answers the next HEAD for the weights with changed headers. */
  private void head(Consumer<Headers> change) {
    hub.server.trap(
        "HEAD ",
        1,
        exchange -> {
          Headers headers = exchange.getResponseHeaders();
          headers.set("X-Repo-Commit", hub.commit);
          headers.set("X-Linked-Etag", "\"" + hub.blob("model.safetensors").getFileName() + "\"");
          headers.set("X-Linked-Size", "300000");
          change.accept(headers);
          exchange.sendResponseHeaders(200, -1);
        });
  }

  private static void redirect(HttpExchange exchange, String target) throws IOException {
    exchange.getResponseHeaders().set("Location", target);
    exchange.sendResponseHeaders(302, -1);
  }

  private void assertRefused(String part) {
    HubException error = assertThrows(HubException.class, hub::download);
    assertEquals(Reason.INVALID_ANSWER, error.reason(), error.getMessage());
    assertTrue(error.getMessage().contains(part), error.getMessage());
    assertTrue(error.getMessage().length() < 700, error.getMessage());
  }
}
