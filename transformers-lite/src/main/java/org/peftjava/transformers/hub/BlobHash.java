package org.peftjava.transformers.hub;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;

/** Hashes of contents, by which the hub names them. */
final class BlobHash {
  private static final Pattern SHA_256 = Pattern.compile("[0-9a-f]{64}");
  private static final Pattern SHA_1 = Pattern.compile("[0-9a-f]{40}");
  private static final int CHUNK = 1 << 20;

  private BlobHash() {}

  /** Whether a file has the contents that its ETag stands for; true for other kinds of ETag. */
  static boolean matches(Path file, String etag) throws IOException {
    if (SHA_256.matcher(etag).matches()) {
      return hash(file, digest("SHA-256")).equals(etag);
    }
    if (SHA_1.matcher(etag).matches()) {
      return git(file).equals(etag);
    }
    return true;
  }

  /** SHA-256 of a file: its name in LFS. */
  static String sha256(Path file) {
    try {
      return hash(file, digest("SHA-256"));
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + file + ".", e);
    }
  }

  /** SHA-1 of a file as git computes it for a blob. */
  static String git(Path file) throws IOException {
    MessageDigest git = digest("SHA-1");
    git.update(("blob " + Files.size(file) + "\0").getBytes(StandardCharsets.UTF_8));
    return hash(file, git);
  }

  private static String hash(Path file, MessageDigest digest) throws IOException {
    byte[] chunk = new byte[CHUNK];
    try (InputStream in = Files.newInputStream(file)) {
      for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
        digest.update(chunk, 0, count);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest digest(String name) {
    try {
      return MessageDigest.getInstance(name);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has " + name, e);
    }
  }
}
