package org.peftjava.transformers.generation;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * The bytes that each token adds to a text, also where they are part of a character only. As
 * transformers' {@code clean_tokenizer_vocab} finds them: decoded behind a fixed beginning, so that
 * a leading space stays.
 */
final class TokenText {
  private static final String BEGINNING = "abcdef";

  private static final Map<Integer, Integer> BYTE_OF_CHARACTER = byteOfCharacter();

  private final Tokenizer tokenizer;
  private final long[] beginning;
  private final Map<Long, byte[]> known = new HashMap<>();

  TokenText(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
    beginning = tokenizer.encodeIds(BEGINNING, options -> options.addSpecialTokens(false));
  }

  /** The bytes of one token; none for an id that the vocabulary does not have. */
  byte[] bytes(long id) {
    return known.computeIfAbsent(id, this::find);
  }

  private byte[] find(long id) {
    long[] ids = Arrays.copyOf(beginning, beginning.length + 1);
    ids[beginning.length] = id;
    String text = tokenizer.decode(ids, false);
    int start = text.indexOf(BEGINNING);
    String own = start < 0 ? text : text.substring(start + BEGINNING.length());
    return own.indexOf('\ufffd') < 0 ? own.getBytes(StandardCharsets.UTF_8) : partOf(id, own);
  }

  /** A token that is no whole character: "<0xE4>", or one letter for each byte, as in GPT-2. */
  private byte[] partOf(long id, String decoded) {
    List<String> tokens = tokenizer.convertIdsToTokens(new long[] {id});
    String token = tokens.get(0);
    if (token.matches("<0x[0-9A-Fa-f]{2}>")) {
      return new byte[] {(byte) Integer.parseInt(token.substring(3, 5), 16)};
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (int character : token.codePoints().toArray()) {
      Integer value = BYTE_OF_CHARACTER.get(character);
      if (value == null) {
        return decoded.getBytes(StandardCharsets.UTF_8);
      }
      bytes.write(value);
    }
    return bytes.toByteArray();
  }

  /** GPT-2's letters for bytes: printable ones stand for themselves, the others for 256 and up. */
  private static Map<Integer, Integer> byteOfCharacter() {
    Map<Integer, Integer> bytes = new HashMap<>();
    int next = 256;
    for (int value = 0; value < 256; value++) {
      boolean printable =
          (value >= '!' && value <= '~')
              || (value >= 0xA1 && value <= 0xAC)
              || (value >= 0xAE && value <= 0xFF);
      bytes.put(printable ? value : next++, value);
    }
    return Map.copyOf(bytes);
  }
}
