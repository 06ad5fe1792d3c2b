package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.TensorLedger;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.TinyOpt;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.Tokenizer;

/** Text as a stream: whole, closed early, with an error inside. */
class GenerateStreamTest {
  private final CausalLM model =
      TinyOpt.model(TinyOpt.config().vocabSize(340).maxPositionEmbeddings(4000));

  private final Tokenizer tokenizer =
      AutoTokenizer.fromPretrained(Goldens.folder("tokenizer").resolve("fast"));

  private final TokenBatch prompt = tokenizer.encode("The weight");
  private final long before = TensorLedger.liveTensors();

  @AfterEach
  void close() {
    assertEquals(before, TensorLedger.liveTensors());
    model.close();
    tokenizer.close();
  }

  @Test
  void theWholeStreamIsTheTextOfTheContinuation() {
    long[] ids =
        model.generate(prompt, g -> g.maxNewTokens(40).eosTokenId().repetitionPenalty(3)).get(0);
    long[] added = Arrays.copyOfRange(ids, prompt.length(), ids.length);
    try (Stream<String> text =
        model.generateStream(
            prompt,
            g -> g.maxNewTokens(40).eosTokenId().repetitionPenalty(3),
            tokenizer,
            o -> o.skipSpecialTokens(true))) {
      List<String> pieces = text.toList();
      assertEquals(tokenizer.decode(added, true), String.join("", pieces));
      assertTrue(pieces.size() > 1, pieces.toString());
    }
  }

  @Test
  void closingEarlyStopsTheGenerationAndFreesItsMemory() {
    Stream<String> text =
        model.generateStream(
            prompt,
            g -> g.maxNewTokens(3900).eosTokenId().repetitionPenalty(3),
            tokenizer,
            o -> {});
    Iterator<String> pieces = text.iterator();
    assertTrue(pieces.hasNext());
    long begin = System.nanoTime();
    text.close();
    assertTrue(System.nanoTime() - begin < 5e9, "closing waited for all tokens");
    assertEquals(before, TensorLedger.liveTensors());
    text.close();
  }

  @Test
  void errorsAreThrownWhereTheTextEnds() {
    try (Stream<String> text =
        model.generateStream(prompt, g -> g.maxNewTokens(5000), tokenizer, o -> {})) {
      String message = assertThrows(IllegalArgumentException.class, text::toList).getMessage();
      assertTrue(message.contains("positions for 4000"), message);
    }
  }

  @Test
  void stopStringsEndTheText() {
    long[] ids = model.generate(prompt, g -> g.maxNewTokens(60).eosTokenId()).get(0);
    long[] added = Arrays.copyOfRange(ids, prompt.length(), ids.length);
    String whole = tokenizer.decode(added, false);
    String stop =
        Arrays.stream(added)
            .skip(3)
            .mapToObj(id -> tokenizer.decode(new long[] {id}, false))
            .filter(text -> text.matches("[ a-zA-Z]+"))
            .findFirst()
            .orElseThrow();
    try (Stream<String> text =
        model.generateStream(
            prompt, g -> g.maxNewTokens(60).eosTokenId().stopStrings(stop), tokenizer, o -> {})) {
      String shorter = String.join("", text.toList());
      assertTrue(whole.startsWith(shorter), whole + " / " + shorter);
      assertTrue(shorter.contains(stop), shorter + " / " + stop);
      assertTrue(shorter.length() < whole.length(), shorter);
    }
  }
}
