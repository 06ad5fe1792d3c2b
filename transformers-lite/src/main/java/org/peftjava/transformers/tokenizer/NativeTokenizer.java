package org.peftjava.transformers.tokenizer;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * A tokenizer of the native library. Safe for use by several threads: closing waits for calls that
 * run, and later calls fail.
 */
final class NativeTokenizer implements AutoCloseable {
  private final TokenizersLibrary library;
  private final ReadWriteLock lock = new ReentrantReadWriteLock();
  private long handle;

  /**
   * Ids of one text.
   *
   * @param prefix how many special tokens the post-processor put before the text's own
   * @param suffix how many it put behind them
   */
  record Encoded(long[] ids, int prefix, int suffix) {}

  /**
   * Builds it from the text of a {@code tokenizer.json} without truncation and padding.
   *
   * @throws IllegalArgumentException if the library rejects the text
   */
  NativeTokenizer(String tokenizerJson) {
    library = NativeLibrary.functions();
    try {
      handle = library.createTokenizerFromString(tokenizerJson);
    } catch (RuntimeException e) {
      throw new IllegalArgumentException(String.valueOf(e.getMessage()), e);
    }
  }

  Encoded encode(String text, boolean addSpecialTokens) {
    lock.readLock().lock();
    try {
      long encoding = library.encode(open(), wellFormed(text), addSpecialTokens);
      try {
        long[] ids = library.getTokenIds(encoding);
        return split(ids, library.getSpecialTokenMask(encoding));
      } finally {
        library.deleteEncoding(encoding);
      }
    } finally {
      lock.readLock().unlock();
    }
  }

  String decode(long[] ids, boolean skipSpecialTokens) {
    lock.readLock().lock();
    try {
      return library.decode(open(), ids, skipSpecialTokens);
    } finally {
      lock.readLock().unlock();
    }
  }

  @Override
  public void close() {
    lock.writeLock().lock();
    try {
      if (handle != 0) {
        library.deleteTokenizer(handle);
        handle = 0;
      }
    } finally {
      lock.writeLock().unlock();
    }
  }

  private long open() {
    if (handle == 0) {
      throw new IllegalStateException("The tokenizer was closed. Load it again to go on.");
    }
    return handle;
  }

  /** The mask is 1 for what the post-processor added; special tokens inside the text have 0. */
  private static Encoded split(long[] ids, long[] specialMask) {
    int prefix = 0;
    while (prefix < ids.length && specialMask[prefix] == 1) {
      prefix++;
    }
    int suffix = 0;
    while (suffix < ids.length - prefix && specialMask[ids.length - 1 - suffix] == 1) {
      suffix++;
    }
    return new Encoded(ids, prefix, suffix);
  }

  /** Replaces halves of surrogate pairs, which have no UTF-8 form, by U+FFFD. */
  private static String wellFormed(String text) {
    StringBuilder fixed = null;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (!Character.isSurrogate(c)) {
        continue;
      }
      if (Character.isHighSurrogate(c)
          && i + 1 < text.length()
          && Character.isLowSurrogate(text.charAt(i + 1))) {
        i++;
        continue;
      }
      if (fixed == null) {
        fixed = new StringBuilder(text);
      }
      fixed.setCharAt(i, '\ufffd');
    }
    return fixed == null ? text : fixed.toString();
  }
}
