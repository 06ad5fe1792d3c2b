package org.peftjava.torch.cuda;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compiled kernels on the disk, so that a process does not compile what another one has. A file is
 * named by the hash of everything that its contents depend on, and holds a hash of both: one that
 * is damaged, cut short or not ours is compiled again. Nothing here fails for the sake of the
 * cache.
 *
 * <p>{@code -Dpeftjava.cuda.cache=}folder moves it, {@code off} switches it off. Where others could
 * write the folder it is not used, since a card runs what is in it.
 */
public final class KernelCache {
  /** Names the folder, or "off". */
  public static final String FOLDER = "peftjava.cuda.cache";

  private static final Logger LOG = LoggerFactory.getLogger(KernelCache.class);
  private static final byte[] MAGIC = "PEFTCUD1".getBytes(StandardCharsets.US_ASCII);
  private static final int HASH_BYTES = 32;
  private static final int MOST_BYTES = 1 << 26;

  private final @Nullable Path folder;

  /** A cache in a folder, which is made when something is stored; null for none. */
  public KernelCache(@Nullable Path folder) {
    this.folder = folder;
  }

  /** The user's cache. */
  public static KernelCache ofUser() {
    String wanted = System.getProperty(FOLDER);
    if (wanted != null) {
      return new KernelCache(wanted.equals("off") ? null : Path.of(wanted));
    }
    String caches = System.getenv("XDG_CACHE_HOME");
    Path root =
        caches == null || caches.isBlank()
            ? Path.of(System.getProperty("user.home"), ".cache")
            : Path.of(caches);
    return new KernelCache(root.resolve("peft-java").resolve("cuda"));
  }

  /** The compiled source, from the disk if it is there. */
  public byte[] get(KernelSource source, String architecture, KernelCompiler compiler) {
    byte[] key = key(source, architecture, compiler.version());
    Optional<byte[]> stored = read(key);
    if (stored.isPresent()) {
      return stored.get();
    }
    byte[] compiled = compiler.compile(source, architecture);
    write(key, compiled);
    return compiled;
  }

  /** Removes what a driver would not load. */
  public void forget(KernelSource source, String architecture, KernelCompiler compiler) {
    if (folder != null) {
      try {
        Files.deleteIfExists(file(folder, key(source, architecture, compiler.version())));
      } catch (IOException e) {
        LOG.debug("A compiled kernel stays in {}", folder, e);
      }
    }
  }

  private Optional<byte[]> read(byte[] key) {
    if (folder == null || !CacheFolder.isOurs(folder)) {
      return Optional.empty();
    }
    Path file = file(folder, key);
    OpenOption[] options = {StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS};
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      return Optional.empty();
    }
    try (InputStream in = Files.newInputStream(file, options);
        DataInputStream data = new DataInputStream(in)) {
      long left = Files.size(file) - MAGIC.length - HASH_BYTES;
      if (left < 1 || left > MOST_BYTES) {
        return Optional.empty();
      }
      byte[] magic = data.readNBytes(MAGIC.length);
      byte[] hash = data.readNBytes(HASH_BYTES);
      byte[] compiled = data.readNBytes((int) left);
      boolean sound =
          MessageDigest.isEqual(magic, MAGIC) && MessageDigest.isEqual(hash, hash(key, compiled));
      return sound ? Optional.of(compiled) : Optional.empty();
    } catch (IOException e) {
      LOG.debug("A compiled kernel cannot be read from {}", file, e);
      return Optional.empty();
    }
  }

  /** Another process sees all of a file or nothing: it is written beside and then moved. */
  private void write(byte[] key, byte[] compiled) {
    if (folder == null || !CacheFolder.makeOurs(folder)) {
      return;
    }
    try {
      Path beside = Files.createTempFile(folder, "new", ".tmp");
      try {
        ByteBuffer contents = ByteBuffer.allocate(MAGIC.length + HASH_BYTES + compiled.length);
        contents.put(MAGIC).put(hash(key, compiled)).put(compiled);
        Files.write(beside, contents.array());
        Files.move(
            beside,
            file(folder, key),
            StandardCopyOption.ATOMIC_MOVE,
            StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(beside);
      }
    } catch (IOException e) {
      LOG.debug("A compiled kernel cannot be stored in {}", folder, e);
    }
  }

  private static Path file(Path folder, byte[] key) {
    return folder.resolve(HexFormat.of().formatHex(key) + ".bin");
  }

  private static byte[] key(KernelSource source, String architecture, String compiler) {
    MessageDigest digest = sha256();
    update(digest, architecture);
    update(digest, compiler);
    update(digest, source.name());
    update(digest, source.text());
    source
        .headers()
        .forEach(
            (name, text) -> {
              update(digest, name);
              update(digest, text);
            });
    return digest.digest();
  }

  private static byte[] hash(byte[] key, byte[] compiled) {
    MessageDigest digest = sha256();
    digest.update(key);
    return digest.digest(compiled);
  }

  /** Lengths go before texts: what ends where is part of the hash. */
  private static void update(MessageDigest digest, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).array());
    digest.update(bytes);
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
