package org.peftjava.transformers.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The environment variables of {@code huggingface_hub/constants.py}, with their meaning there:
 * {@code HF_HOME}, {@code XDG_CACHE_HOME}, {@code HF_HUB_CACHE}, {@code HUGGINGFACE_HUB_CACHE},
 * {@code HF_TOKEN}, {@code HUGGING_FACE_HUB_TOKEN}, {@code HF_TOKEN_PATH}, {@code
 * HF_HUB_DISABLE_IMPLICIT_TOKEN}, {@code HF_ENDPOINT}, {@code HF_HUB_OFFLINE}, {@code
 * TRANSFORMERS_OFFLINE}, {@code HF_HUB_DISABLE_SYMLINKS}, {@code HF_HUB_ETAG_TIMEOUT}, {@code
 * HF_HUB_DOWNLOAD_TIMEOUT}.
 */
record HubEnvironment(Map<String, String> variables, Path userHome) {
  private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");
  private static final int MAX_TOKEN_BYTES = 4096;

  static HubEnvironment ofProcess() {
    return new HubEnvironment(System.getenv(), Path.of(System.getProperty("user.home", ".")));
  }

  Path cacheDir() {
    return path("HF_HUB_CACHE")
        .or(() -> path("HUGGINGFACE_HUB_CACHE"))
        .orElseGet(() -> home().resolve("hub"));
  }

  private Path home() {
    return path("HF_HOME")
        .orElseGet(
            () ->
                path("XDG_CACHE_HOME")
                    .orElseGet(() -> userHome.resolve(".cache"))
                    .resolve("huggingface"));
  }

  URI endpoint() {
    return endpoint(text("HF_ENDPOINT").orElse("https://huggingface.co"));
  }

  /** An address without slashes at its end. */
  static URI endpoint(String text) {
    String plain = text.replaceAll("/+$", "");
    try {
      URI uri = URI.create(plain);
      if (("https".equals(uri.getScheme()) || "http".equals(uri.getScheme()))
          && uri.getHost() != null
          && uri.getQuery() == null
          && uri.getFragment() == null) {
        return uri;
      }
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(endpointProblem(text), e);
    }
    throw new IllegalArgumentException(endpointProblem(text));
  }

  private static String endpointProblem(String text) {
    return "The hub's endpoint (HF_ENDPOINT) is \""
        + text
        + "\"; expected an address such as https://huggingface.co.";
  }

  boolean offline() {
    return isTrue(text("HF_HUB_OFFLINE").or(() -> text("TRANSFORMERS_OFFLINE")));
  }

  boolean symlinks() {
    return !isTrue(text("HF_HUB_DISABLE_SYMLINKS"));
  }

  Duration etagTimeout() {
    return seconds("HF_HUB_ETAG_TIMEOUT");
  }

  Duration downloadTimeout() {
    return seconds("HF_HUB_DOWNLOAD_TIMEOUT");
  }

  /** The token of the environment, else that of {@code hf auth login}. */
  Optional<String> token() {
    if (isTrue(text("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) {
      return Optional.empty();
    }
    return text("HF_TOKEN")
        .or(() -> text("HUGGING_FACE_HUB_TOKEN"))
        .or(this::storedToken)
        .map(token -> token.replace("\r", "").replace("\n", "").strip())
        .filter(token -> !token.isEmpty());
  }

  private Optional<String> storedToken() {
    Path file = path("HF_TOKEN_PATH").orElseGet(() -> home().resolve("token"));
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    try (InputStream in = Files.newInputStream(file)) {
      return Optional.of(new String(in.readNBytes(MAX_TOKEN_BYTES), StandardCharsets.UTF_8));
    } catch (IOException e) {
      return Optional.empty(); // as Python: no token is no error
    }
  }

  private Duration seconds(String name) {
    String value = text(name).orElse("10");
    try {
      int seconds = Integer.parseInt(value.strip());
      if (seconds > 0) {
        return Duration.ofSeconds(seconds);
      }
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(secondsProblem(name, value), e);
    }
    throw new IllegalArgumentException(secondsProblem(name, value));
  }

  private static String secondsProblem(String name, String value) {
    return name + " is \"" + value + "\"; expected a positive whole number of seconds.";
  }

  private Optional<Path> path(String name) {
    return text(name)
        .map(
            value ->
                value.equals("~") || value.startsWith("~/")
                    ? userHome.resolve(value.substring(Math.min(2, value.length())))
                    : Path.of(value));
  }

  private Optional<String> text(String name) {
    @Nullable String value = variables.get(name);
    return Optional.ofNullable(value).filter(text -> !text.isEmpty());
  }

  private static boolean isTrue(Optional<String> value) {
    return value.map(text -> TRUE.contains(text.toUpperCase(Locale.ROOT))).orElse(false);
  }
}
