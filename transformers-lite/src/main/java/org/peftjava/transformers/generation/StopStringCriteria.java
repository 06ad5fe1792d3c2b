package org.peftjava.transformers.generation;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Ends a row whose newest token completes a text: the text may begin and end inside tokens, but
 * must reach into the newest one. Compares bytes, so that characters that are spread over tokens
 * count.
 *
 * <p>Same meaning as transformers' {@code StopStringCriteria}.
 */
final class StopStringCriteria implements StoppingCriteria {
  private final List<byte[]> stops;
  private final int longest;
  private final TokenText texts;

  StopStringCriteria(List<String> stopStrings, TokenText texts) {
    this.texts = texts;
    stops = stopStrings.stream().map(text -> text.getBytes(StandardCharsets.UTF_8)).toList();
    longest = stops.stream().mapToInt(stop -> stop.length).max().orElse(0);
  }

  @Override
  public boolean isDone(InputIds inputIds, int row) {
    int length = inputIds.length();
    byte[] newest = texts.bytes(inputIds.token(row, length - 1));
    if (newest.length == 0) {
      return false;
    }
    ByteArrayOutputStream tail = new ByteArrayOutputStream();
    for (int at = Math.max(0, length - longest); at < length - 1; at++) {
      tail.writeBytes(texts.bytes(inputIds.token(row, at)));
    }
    int before = tail.size();
    tail.writeBytes(newest);
    byte[] text = tail.toByteArray();
    return stops.stream().anyMatch(stop -> reachesInto(text, stop, before));
  }

  /** Whether {@code stop} occurs in the text and ends behind its first {@code before} bytes. */
  private static boolean reachesInto(byte[] text, byte[] stop, int before) {
    for (int start = Math.max(0, before - stop.length + 1);
        start + stop.length <= text.length;
        start++) {
      int same = 0;
      while (same < stop.length && text[start + same] == stop[same]) {
        same++;
      }
      if (same == stop.length) {
        return true;
      }
    }
    return false;
  }
}
