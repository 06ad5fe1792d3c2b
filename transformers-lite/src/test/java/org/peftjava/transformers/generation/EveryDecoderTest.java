package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.TensorLedger;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** What every decoder's cache must bear: rows repeated and moved, prompts in parts, padding. */
class EveryDecoderTest {
  private static final TokenBatch PADDED =
      TokenBatch.of(
          new long[][] {{3, 5, 6, 17, 8, 29, 31}, {0, 0, 3, 9, 33, 4, 11}},
          new long[][] {{1, 1, 1, 1, 1, 1, 1}, {0, 0, 1, 1, 1, 1, 1}});

  static List<Path> folders() throws IOException {
    Path golden = Goldens.folder("generation").getParent();
    try (Stream<Path> folders = Files.list(golden)) {
      List<Path> found =
          folders
              .filter(
                  folder ->
                      folder.getFileName().toString().startsWith("decoder_")
                          || folder.equals(golden.resolve("generation")))
              .map(folder -> folder.resolve("base"))
              .filter(Files::isDirectory)
              .sorted()
              .toList();
      assertTrue(found.size() >= 8, found.toString());
      return found;
    }
  }

  @ParameterizedTest
  @MethodSource("folders")
  void cacheChunksAndPaddingChangeNothing(Path folder) {
    long before = TensorLedger.liveTensors();
    try (CausalLM model = AutoModelForCausalLM.fromPretrained(folder)) {
      for (Consumer<GenerationConfig.Builder> search :
          List.<Consumer<GenerationConfig.Builder>>of(
              g -> g.numBeams(1),
              g -> g.numBeams(3).numReturnSequences(3),
              g -> g.numBeams(4).numBeamGroups(2).diversityPenalty(0.7).numReturnSequences(4),
              g -> g.penaltyAlpha(0.6).topK(3))) {
        boolean contrastive = build(search).penaltyAlpha() > 0;
        long[][] expected = generate(model, PADDED, search);
        if (!contrastive) {
          assertArrayEquals(
              expected, generate(model, PADDED, search.andThen(g -> g.useCache(false))));
          assertArrayEquals(
              expected, generate(model, PADDED, search.andThen(g -> g.prefillChunkSize(3))));
        }
        long[][] alone = generate(model, TokenBatch.of(new long[][] {{3, 9, 33, 4, 11}}), search);
        long[] last = expected[expected.length / 2];
        assertArrayEquals(alone[0], Arrays.copyOfRange(last, 2, last.length));
      }
    }
    assertEquals(before, TensorLedger.liveTensors());
  }

  private static GenerationConfig build(Consumer<GenerationConfig.Builder> search) {
    GenerationConfig.Builder builder = GenerationConfig.builder();
    search.accept(builder);
    return builder.build();
  }

  private static long[][] generate(
      CausalLM model, TokenBatch batch, Consumer<GenerationConfig.Builder> search) {
    Consumer<GenerationConfig.Builder> endless = g -> g.maxNewTokens(9).eosTokenId().padTokenId(0);
    return model.generate(batch, endless.andThen(search)).ids();
  }
}
