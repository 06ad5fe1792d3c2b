package org.peftjava.transformers.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.Device;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.ModelInput;

/** What a tokenizer makes for its model, and what it makes of tokens, beside transformers. */
class TokenTypesTest {
  private static final Path ROOT = Goldens.folder("tokenizer_kinds").getParent();

  static Stream<JsonNode> rows() {
    return StreamSupport.stream(golden().get("rows").spliterator(), false);
  }

  private static JsonNode golden() {
    try {
      return new ObjectMapper().readTree(ROOT.resolve("token_types.json").toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static long[] longs(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToLong(JsonNode::asLong).toArray();
  }

  private static List<String> texts(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).map(JsonNode::asText).toList();
  }

  @ParameterizedTest
  @MethodSource("rows")
  void pairsReachTheModelWithTheirTypes(JsonNode row) {
    try (TensorScope scope = TensorScope.open("test");
        Tokenizer tokenizer =
            Tokenizer.open(
                ROOT.resolve("tokenizer_kinds").resolve(row.get("kind").asText()),
                TokenizerOptions.builder().build())) {
      assertEquals(texts(row.get("model_input_names")), tokenizer.modelInputNames());
      JsonNode pair = golden().get("pair");
      TokenBatch batch =
          tokenizer.encode(
              List.of(pair.get(0).asText()), List.of(pair.get(1).asText()), options -> {});
      assertArrayEquals(longs(row.get("pair").get("input_ids")), batch.inputIds()[0]);
      ModelInput input = ModelInput.of(batch, Device.CPU);
      if (row.get("pair").has("token_type_ids")) {
        long[] types = longs(row.get("pair").get("token_type_ids"));
        assertArrayEquals(types, batch.tokenTypeIds().orElseThrow()[0]);
        assertArrayEquals(types, input.tokenTypeIds().toLongs());
      } else {
        assertFalse(batch.tokenTypeIds().isPresent());
        assertEquals(null, input.tokenTypeIds());
      }
      assertEquals(
          row.get("string").asText(), tokenizer.convertTokensToString(texts(row.get("tokens"))));
    }
  }
}
