package org.peftjava.transformers.tokenizer;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
   * Builds it from the text of a {@code tokenizer.json} without truncation and padding.
   *
   * @throws IllegalArgumentException if the library rejects the text
   */
  NativeTokenizer(String tokenizerJson) {
    library = NativeLibrary.functions();
    handle = create(wellFormed(tokenizerJson));
  }

  private long create(String tokenizerJson) {
    try {
      return library.createTokenizerFromString(tokenizerJson);
    } catch (RuntimeException e) {
      throw new IllegalArgumentException(String.valueOf(e.getMessage()), e);
    }
  }

  /** Goes on with another {@code tokenizer.json}, after calls that run on other threads. */
  void replace(String tokenizerJson) {
    lock.writeLock().lock();
    try {
      long old = open();
      handle = create(wellFormed(tokenizerJson));
      library.deleteTokenizer(old);
    } finally {
      lock.writeLock().unlock();
    }
  }

  /** Tokens of one text, or of two that the post-processor puts together. */
  EncodedText encode(
      String text, Optional<String> textPair, boolean addSpecialTokens, boolean withOffsets) {
    String first = wellFormed(text);
    Optional<String> second = textPair.map(NativeTokenizer::wellFormed);
    lock.readLock().lock();
    try {
      long encoding =
          second.isPresent()
              ? library.encodeDual(open(), first, second.get(), addSpecialTokens)
              : library.encode(open(), first, addSpecialTokens);
      try {
        return read(
            encoding, (sequence, word) -> sequence == 0 ? first : second.orElse(""), withOffsets);
      } finally {
        library.deleteEncoding(encoding);
      }
    } finally {
      lock.readLock().unlock();
    }
  }

  /** Tokens of one text that is split into words, whose offsets count in each word. */
  EncodedText encodeWords(List<String> words, boolean addSpecialTokens, boolean withOffsets) {
    String[] parts = words.stream().map(NativeTokenizer::wellFormed).toArray(String[]::new);
    lock.readLock().lock();
    try {
      long encoding = library.encodeList(open(), parts, addSpecialTokens);
      try {
        return read(encoding, (sequence, word) -> parts[Math.max(0, word)], withOffsets);
      } finally {
        library.deleteEncoding(encoding);
      }
    } finally {
      lock.readLock().unlock();
    }
  }

  /** The pieces of one text, which for an added token are what it stands for in the text. */
  String[] tokens(String text, boolean addSpecialTokens) {
    lock.readLock().lock();
    try {
      long encoding = library.encode(open(), wellFormed(text), addSpecialTokens);
      try {
        return library.getTokens(encoding);
      } finally {
        library.deleteEncoding(encoding);
      }
    } finally {
      lock.readLock().unlock();
    }
  }

  /** Finds the text in which the offsets of a token count. */
  private interface TextOfToken {
    String find(int sequence, int word);
  }

  private EncodedText read(long encoding, TextOfToken texts, boolean withOffsets) {
    long[] ids = library.getTokenIds(encoding);
    long[] specialMask = library.getSpecialTokenMask(encoding);
    long[] sequenceIds = library.getSequenceIds(encoding);
    int[] sequences = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      // The mask is 1 for what the post-processor added; special tokens inside the text have 0.
      sequences[i] = specialMask[i] == 1 ? -1 : Math.max(0, (int) sequenceIds[i]);
    }
    long[] words = library.getWordIds(encoding);
    int[] offsets = new int[withOffsets ? 2 * ids.length : 0];
    if (withOffsets) {
      CharSpan[] spans = library.getTokenCharSpans(encoding);
      Map<String, CharOffsets> known = new HashMap<>();
      for (int i = 0; i < ids.length; i++) {
        if (spans[i] != null && sequences[i] >= 0) {
          String text = texts.find(sequences[i], (int) words[i]);
          CharOffsets chars = known.computeIfAbsent(text, CharOffsets::new);
          offsets[2 * i] = chars.of(spans[i].getStart());
          offsets[2 * i + 1] = chars.of(spans[i].getEnd());
        }
      }
    }
    return new EncodedText(ids, library.getTypeIds(encoding), sequences, words, offsets);
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
