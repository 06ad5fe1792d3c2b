package org.peftjava.transformers.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.transformers.hub.HubException.Reason;

/** Servers that are busy, and connections that end early. */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HubRetriesTest {
  @TempDir Path cache;
  private HubFixture hub;

  @BeforeEach
  void start() {
    hub = new HubFixture(cache);
  }

  @AfterEach
  void stop() {
    hub.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {429, 500, 503, 504, 408})
  void busyServersAreAskedAgain(int status) {
    for (String path : List.of("revision", "HEAD ", hub.contents("model.safetensors"))) {
      hub.server.trap(path, 2, exchange -> HubServer.send(exchange, status, new byte[0]));
    }
    hub.server.trap(
        "HEAD /org/model/resolve",
        1,
        exchange -> {
          exchange.getResponseHeaders().set("Retry-After", "7");
          HubServer.send(exchange, status, new byte[0]);
        });
    hub.download();
    assertTrue(hub.pauses.contains(Duration.ofSeconds(7)), hub.pauses.toString());
    assertTrue(hub.pauses.contains(Duration.ofSeconds(2)), hub.pauses.toString());
  }

  @Test
  void aBusyServerIsGivenUpInTheEnd() {
    hub.server.trap("revision", 99, exchange -> HubServer.send(exchange, 503, new byte[0]));
    assertReason(Reason.UNAVAILABLE, "HTTP 503", hub::download);
    assertEquals(Stream.of(1, 2, 4, 8, 8).map(Duration::ofSeconds).toList(), hub.pauses);
  }

  @Test
  void aDayOfWaitingIsNotAccepted() {
    hub.server.trap(
        "revision",
        1,
        exchange -> {
          exchange.getResponseHeaders().set("Retry-After", "86400");
          HubServer.send(exchange, 429, new byte[0]);
        });
    assertReason(Reason.UNAVAILABLE, "asks to wait 86400 seconds", hub::download);
  }

  @Test
  void interruptedDownloadsGoOn() throws IOException {
    byte[] weights = hub.files.get("model.safetensors");
    hub.server.trap(
        hub.contents("model.safetensors"),
        1,
        exchange -> {
          exchange.sendResponseHeaders(200, weights.length);
          exchange.getResponseBody().write(weights, 0, 100_000);
          exchange.getResponseBody().flush();
        });
    List<Long> seen = new ArrayList<>();
    HubOptions options =
        hub.options()
            .progress(
                (file, bytes, total) -> {
                  if (file.equals("model.safetensors")) {
                    assertEquals(weights.length, total);
                    seen.add(bytes);
                  }
                })
            .build();
    Path folder = download(options);
    assertArrayEquals(weights, Files.readAllBytes(folder.resolve("model.safetensors")));
    assertEquals(0, seen.get(0));
    assertEquals(weights.length, seen.get(seen.size() - 1));
    assertEquals(List.of(Duration.ofSeconds(1)), hub.pauses);
  }

  /** What an earlier process left is used if it is right, and replaced if it is not. */
  @Test
  void partsOfAnEarlierProcessAreUsed() throws IOException {
    byte[] weights = hub.files.get("model.safetensors");
    Path blob = hub.blob("model.safetensors");
    Path incomplete = blob.resolveSibling(blob.getFileName() + ".incomplete");
    Files.createDirectories(blob.getParent());
    Files.write(incomplete, Arrays.copyOf(weights, 299_999));
    List<Long> first = new ArrayList<>();
    download(hub.options().progress((file, bytes, total) -> first.add(bytes)).build());
    assertEquals(299_999, first.get(0));
    assertArrayEquals(weights, Files.readAllBytes(blob));

    Files.delete(blob);
    Files.delete(
        cache.resolve("models--org--model/snapshots/" + hub.commit + "/model.safetensors"));
    Files.write(incomplete, new byte[1000]);
    hub.download();
    assertArrayEquals(weights, Files.readAllBytes(blob));
    assertFalse(Files.exists(incomplete));
  }

  private Path download(HubOptions options) {
    return hub.client(options).snapshotDownload(HubFixture.REPO, HubFixture.FILES);
  }

  private static void assertReason(Reason reason, String part, Runnable action) {
    HubException error = assertThrows(HubException.class, action::run);
    assertEquals(reason, error.reason(), error.getMessage());
    assertTrue(error.getMessage().contains(part), error.getMessage());
  }
}
