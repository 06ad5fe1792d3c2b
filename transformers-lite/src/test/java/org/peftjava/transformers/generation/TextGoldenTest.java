package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Device;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.tokenizer.Tokenizer;

/** Stop strings and pieces of text against transformers', with a byte-level tokenizer. */
class TextGoldenTest {
  private final Tokenizer tokenizer =
      AutoTokenizer.fromPretrained(Goldens.folder("tokenizer").resolve("fast"));

  @AfterEach
  void close() {
    tokenizer.close();
  }

  @Test
  void stopStringsEndRowsWherePythonsDo() throws IOException {
    int ends = 0;
    for (JsonNode row : rows()) {
      long[] ids = longs(row.get("ids"));
      for (JsonNode stop : row.get("stops")) {
        List<String> strings = new ArrayList<>();
        stop.get("strings").forEach(text -> strings.add(text.asText()));
        StopStringCriteria criterion = new StopStringCriteria(strings, new TokenText(tokenizer));
        List<Long> done = new ArrayList<>();
        for (int length = 1; length <= ids.length; length++) {
          if (criterion.isDone(new InputIds(new long[][] {ids}, length, Device.CPU), 0)) {
            done.add(length - 1L);
          }
        }
        List<Long> expected =
            StreamSupport.stream(stop.get("done").spliterator(), false)
                .map(JsonNode::longValue)
                .toList();
        assertEquals(expected, done, row.get("text") + " " + strings);
        ends += done.size();
      }
    }
    assertTrue(ends > 30, "only " + ends);
  }

  @Test
  void piecesOfTextAreThoseOfTextIteratorStreamer() throws IOException {
    for (JsonNode row : rows()) {
      for (JsonNode stream : row.get("streams")) {
        List<String> pieces = new ArrayList<>();
        boolean skip = stream.get("skip_special_tokens").booleanValue();
        TextStreamer streamer =
            new TextStreamer(tokenizer, o -> o.skipSpecialTokens(skip), pieces::add);
        for (long id : longs(stream.get("ids"))) {
          assertTrue(streamer.onTokens(new long[] {id}));
        }
        streamer.end();
        List<String> expected = new ArrayList<>();
        stream.get("pieces").forEach(piece -> expected.add(piece.asText()));
        assertEquals(expected, pieces);
      }
    }
  }

  private static JsonNode rows() throws IOException {
    return new ObjectMapper()
        .readTree(Goldens.folder("generation_texts.json").toFile())
        .get("rows");
  }

  private static long[] longs(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToLong(JsonNode::longValue).toArray();
  }
}
