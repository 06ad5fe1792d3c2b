package org.peftjava.transformers.hub;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.stream.Collectors;

/** Files of one commit, which "main" and "v1" name, and what the hub's API says about them. */
record ServedRepository(String commit, Map<String, byte[]> files, boolean gated) {
  static final int LFS_BYTES = 1000;

  /** The answer to {@code /api/models/[name]/revision/[revision]}. */
  String info(String name) {
    String siblings =
        files.keySet().stream()
            .map(file -> "{\"rfilename\": \"" + file + "\"}")
            .collect(Collectors.joining(", "));
    return "{\"id\": \"%s\", \"sha\": \"%s\", \"private\": false, \"gated\": %s, \"siblings\": [%s]}"
        .formatted(name, commit, gated ? "\"manual\"" : "false", siblings);
  }

  /** The answer to {@code /api/models/[name]/tree/[revision]}. */
  String tree() {
    return files.entrySet().stream()
        .map(file -> entry(file.getKey(), file.getValue()))
        .collect(Collectors.joining(", ", "[", "]"));
  }

  private static String entry(String name, byte[] content) {
    String lfs =
        content.length < LFS_BYTES
            ? ""
            : ", \"lfs\": {\"oid\": \"%s\", \"size\": %d, \"pointerSize\": 130}"
                .formatted(sha256(content), content.length);
    return "{\"type\": \"file\", \"path\": \"%s\", \"size\": %d, \"oid\": \"%s\"%s}"
        .formatted(name, content.length, gitHash(content), lfs);
  }

  static String sha256(byte[] content) {
    return hash("SHA-256", content);
  }

  static String gitHash(byte[] content) {
    byte[] head = ("blob " + content.length + "\0").getBytes(StandardCharsets.UTF_8);
    byte[] all = Arrays.copyOf(head, head.length + content.length);
    System.arraycopy(content, 0, all, head.length, content.length);
    return hash("SHA-1", all);
  }

  private static String hash(String algorithm, byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
