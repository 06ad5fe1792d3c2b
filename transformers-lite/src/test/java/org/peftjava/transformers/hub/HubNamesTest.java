package org.peftjava.transformers.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Names of repositories, and the environment variables of huggingface_hub. */
class HubNamesTest {
  @TempDir Path home;

  @ParameterizedTest
  @ValueSource(
      strings = {"foo", "foo/bar", "123", "Foo-BAR_foo.bar123", "a/b@main", "a/b@refs/pr/1"})
  void namesThatPythonAcceptsAreAccepted(String name) {
    assertTrue(RepoId.isRepoId(name));
    assertEquals(name, RepoId.parse(name).toString());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "datasets/foo/bar", ".repo_id", "foo--bar", "foo..bar", "foo.git", "", "/", "a/", "/a",
            "a b",
        "-a", "a-", "../a", "a/../b", "~/a", "C:\\a", "na\u00efve", "a\u0000b", "a/b/", "./a"
      })
  void otherNamesAreRefused(String name) {
    assertFalse(RepoId.isRepoId(name));
    assertThrows(IllegalArgumentException.class, () -> RepoId.parse(name));
  }

  @ParameterizedTest
  @ValueSource(strings = {"a@", "a@../x", "a@/x", "a@x/", "a@b c", "a@x\\y", "a@x:y", "a@."})
  void revisionsThatAreNoneAreRefused(String name) {
    assertThrows(IllegalArgumentException.class, () -> RepoId.parse(name));
  }

  @Test
  void theCacheIsWherePythonHasIt() {
    assertEquals(home.resolve(".cache/huggingface/hub"), environment(Map.of()).cacheDir());
    assertEquals(
        home.resolve("x/huggingface/hub"), environment(Map.of("XDG_CACHE_HOME", "~/x")).cacheDir());
    assertEquals(Path.of("/hf/hub"), environment(Map.of("HF_HOME", "/hf")).cacheDir());
    assertEquals(
        Path.of("/old"),
        environment(Map.of("HF_HOME", "/hf", "HUGGINGFACE_HUB_CACHE", "/old")).cacheDir());
    assertEquals(
        Path.of("/new"),
        environment(Map.of("HF_HUB_CACHE", "/new", "HUGGINGFACE_HUB_CACHE", "/old")).cacheDir());
  }

  @Test
  void theTokenComesFromTheEnvironmentOrTheLogin() throws IOException {
    assertEquals(Optional.empty(), environment(Map.of()).token());
    Path file = home.resolve(".cache/huggingface/token");
    Files.createDirectories(file.getParent());
    Files.writeString(file, "hf_stored\n");
    assertEquals(Optional.of("hf_stored"), environment(Map.of()).token());
    assertEquals(Optional.of("hf_env"), environment(Map.of("HF_TOKEN", " hf_env\r\n")).token());
    Map<String, String> off = Map.of("HF_TOKEN", "hf_env", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
    assertEquals(Optional.empty(), environment(off).token());
    HubOptions.Builder builder = HubOptions.builder(environment(Map.of()));
    assertEquals(Optional.empty(), builder.token("").build().token());
    String broken = "hf\nX-Evil: 1";
    assertThrows(IllegalArgumentException.class, () -> builder.token(broken));
  }

  @Test
  void switchesAndTimesAreRead() {
    HubEnvironment plain = environment(Map.of());
    assertEquals("https://huggingface.co", plain.endpoint().toString());
    assertFalse(plain.offline());
    assertTrue(plain.symlinks());
    assertEquals(Duration.ofSeconds(10), plain.etagTimeout());
    HubEnvironment other =
        environment(
            Map.of(
                "HF_ENDPOINT", "http://mirror:8080/hub/",
                "TRANSFORMERS_OFFLINE", "yes",
                "HF_HUB_DISABLE_SYMLINKS", "TRUE",
                "HF_HUB_DOWNLOAD_TIMEOUT", "30"));
    assertEquals("http://mirror:8080/hub", other.endpoint().toString());
    assertTrue(other.offline());
    assertFalse(other.symlinks());
    assertEquals(Duration.ofSeconds(30), other.downloadTimeout());
    for (String endpoint : new String[] {"huggingface.co", "file:///x", "http://", "a b"}) {
      HubEnvironment bad = environment(Map.of("HF_ENDPOINT", endpoint));
      String message = assertThrows(IllegalArgumentException.class, bad::endpoint).getMessage();
      assertTrue(message.contains("\"" + endpoint + "\""), message);
    }
    HubEnvironment slow = environment(Map.of("HF_HUB_ETAG_TIMEOUT", "soon"));
    assertThrows(IllegalArgumentException.class, slow::etagTimeout);
  }

  private HubEnvironment environment(Map<String, String> variables) {
    return new HubEnvironment(variables, home);
  }
}
