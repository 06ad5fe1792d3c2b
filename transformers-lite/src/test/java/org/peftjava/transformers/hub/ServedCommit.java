package org.peftjava.transformers.hub;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.stream.Collectors;

/** Files of one commit, its message, and what the hub's API says about them. */
record ServedCommit(String hash, String message, Map<String, byte[]> files) {
  static final int LFS_BYTES = 1000;

  /** A commit that is named after its contents and what was before. */
  static ServedCommit of(String parent, String message, Map<String, byte[]> files) {
    String all =
        files.keySet()
            + parent
            + message
            + files.values().stream().map(ServedCommit::sha256).toList();
    String hash = sha256(all.getBytes(StandardCharsets.UTF_8)).substring(0, 40);
    return new ServedCommit(hash, message, files);
  }

  /** The answer to {@code /api/models/[name]/revision/[revision]}. */
  String info(ServedRepository repository) {
    String siblings =
        files.keySet().stream()
            .map(file -> "{\"rfilename\": \"" + file + "\"}")
            .collect(Collectors.joining(", "));
    return "{\"id\": \"%s\", \"sha\": \"%s\", \"private\": %s, \"gated\": %s, \"siblings\": [%s]}"
        .formatted(
            repository.name(),
            hash,
            repository.isPrivate(),
            repository.gated() ? "\"manual\"" : "false",
            siblings);
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

  /** What the hub calls a file: SHA-256 of a large one, git's hash of another. */
  static String oid(byte[] content) {
    return content.length < LFS_BYTES ? gitHash(content) : sha256(content);
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
