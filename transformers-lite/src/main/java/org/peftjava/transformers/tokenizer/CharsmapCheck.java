package org.peftjava.transformers.tokenizer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.BitSet;
import java.util.Deque;
import java.util.Optional;

/**
 * Walks through a normalization table of SentencePiece as the native library does, which does not
 * check that a step stays inside of it.
 *
 * <p>Format: the size of a double-array trie in bytes (4 bytes), the trie, then the texts that its
 * values point to, each with a 0 behind it. Reference: sentencepiece {@code
 * normalizer.cc::DecodePrecompiledCharsMap}, crate spm_precompiled.
 */
final class CharsmapCheck {
  private static final int LABELS = 256; // the children of a node lie within a block of this size

  private final int[] units;
  private final byte[] texts;

  private CharsmapCheck(int[] units, byte[] texts) {
    this.units = units;
    this.texts = texts;
  }

  /** What is wrong, if anything. */
  static Optional<String> problem(String base64) {
    byte[] bytes;
    try {
      bytes = Base64.getDecoder().decode(base64);
    } catch (IllegalArgumentException e) {
      return Optional.of("it is not base64");
    }
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (bytes.length < Integer.BYTES) {
      return Optional.of("it is too short");
    }
    int size = buffer.getInt();
    if (size < Integer.BYTES || size % Integer.BYTES != 0 || size > buffer.remaining()) {
      return Optional.of("its trie is to have " + size + " of " + buffer.remaining() + " bytes");
    }
    int[] units = new int[size / Integer.BYTES];
    buffer.asIntBuffer().get(units);
    byte[] texts = new byte[buffer.remaining() - size];
    buffer.position(Integer.BYTES + size).get(texts);
    try {
      StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(texts));
    } catch (CharacterCodingException e) {
      return Optional.of("its texts are not UTF-8");
    }
    return new CharsmapCheck(units, texts).walk();
  }

  private Optional<String> walk() {
    BitSet seen = new BitSet(units.length);
    Deque<Integer> open = new ArrayDeque<>();
    open.push(offset(units[0]));
    while (!open.isEmpty()) {
      int node = open.pop();
      if (node < 0 || node >= units.length || (node | (LABELS - 1)) >= units.length) {
        return Optional.of("its trie leads out of itself");
      }
      if (seen.get(node)) {
        continue;
      }
      seen.set(node);
      for (int label = 1; label < LABELS; label++) {
        int unit = units[node ^ label];
        if ((unit & 0x800000ff) != label) { // the label of a node, never of a value
          continue;
        }
        int child = node ^ label ^ offset(unit);
        if ((unit >>> 8 & 1) == 1 && (child < 0 || child >= units.length || !isText(child))) {
          return Optional.of("its trie leads to no text");
        }
        open.push(child);
      }
    }
    return Optional.empty();
  }

  private boolean isText(int leaf) {
    int place = units[leaf] & 0x7fffffff;
    return place <= texts.length
        && (place == texts.length || (texts[place] & 0xc0) != 0x80); // begins a character
  }

  private static int offset(int unit) {
    return unit >>> 10 << ((unit & (1 << 9)) >>> 6);
  }
}
