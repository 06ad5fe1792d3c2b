package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import java.nio.file.Path;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.config.ConfigJson;

/** Models of other numbers of tokens than their files have, as Python's resize_token_embeddings. */
class ResizeTokenEmbeddingsTest {
  private static final String CASE = "resized_models";
  private static final int BEFORE = 40;
  private static final double NEAR_MEAN = 3e-4; // the random part is 3e-5 of the rows' spread

  @TempDir private Path temporary;
  private long liveBefore;

  @BeforeEach
  void count() {
    liveBefore = TensorLedger.liveTensors();
  }

  @AfterEach
  void nothingIsLeft() {
    assertEquals(liveBefore, TensorLedger.liveTensors());
  }

  private static CheckpointModel load(String name) {
    Path folder = Goldens.folder(CASE).resolve(name);
    return switch (name) {
      case "bert", "bert_untied", "distilbert" -> AutoModelForMaskedLM.fromPretrained(folder);
      case "t5", "t5_untied" -> AutoModelForSeq2SeqLM.fromPretrained(folder);
      default -> AutoModelForCausalLM.fromPretrained(folder);
    };
  }

  @ParameterizedTest
  @CsvSource({
    "llama, longer, 45, 1", "llama, padded, 42, 16", "llama, shorter, 33, 1",
    "llama_tied, longer, 45, 1", "llama_tied, padded, 42, 16", "llama_tied, shorter, 33, 1",
    "gemma2, longer, 45, 1", "gemma2, padded, 42, 16", "gemma2, shorter, 33, 1",
    "bert, longer, 45, 1", "bert, padded, 42, 16", "bert, shorter, 33, 1",
    "bert_untied, longer, 45, 1", "bert_untied, padded, 42, 16", "bert_untied, shorter, 33, 1",
    "distilbert, longer, 45, 1", "distilbert, padded, 42, 16", "distilbert, shorter, 33, 1",
    "t5, longer, 45, 1", "t5, padded, 42, 16", "t5, shorter, 33, 1",
    "t5_untied, longer, 45, 1", "t5_untied, padded, 42, 16", "t5_untied, shorter, 33, 1",
  })
  void rowsAsPythons(String name, String change, int tokens, int multiple) {
    try (CheckpointModel model = load(name);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      TreeSet<String> tied = new TreeSet<>(model.ties().tied());
      int rows = (tokens + multiple - 1) / multiple * multiple;
      assertSame(
          model.backbone().inputEmbeddings(),
          model.resizeTokenEmbeddings(tokens, o -> o.padToMultipleOf(multiple)));
      assertEquals(rows, model.backbone().inputEmbeddings().numEmbeddings());
      assertEquals(rows, model.config().vocabSize());
      assertEquals(rows, model.config().json().getInt("vocab_size"));
      assertEquals(tied, new TreeSet<>(model.ties().tied()));
      assertTrue(model.hasResizedEmbeddings());
      Map<String, Parameter> state = model.module().namedState();
      String prefix = name + "." + change + ".";
      Map<String, Tensor> golden = Goldens.tensors(CASE);
      int compared = 0;
      for (Map.Entry<String, Tensor> entry : golden.entrySet()) {
        if (entry.getKey().startsWith(prefix)) {
          compared++;
          Parameter own = state.get(entry.getKey().substring(prefix.length()));
          assertTrue(own != null, entry.getKey());
          int kept = Math.min(rows, BEFORE);
          assertClose(entry.getValue().narrow(0, 0, kept), own.tensor().narrow(0, 0, kept), 0);
          assertClose(entry.getValue(), own.tensor(), NEAR_MEAN);
          assertTrue(own.requiresGrad());
        }
      }
      assertTrue(compared >= 2, prefix);
      model.savePretrained(temporary);
    }
    assertEquals(
        ConfigJson.read(temporary.resolve("config.json")).getInt("vocab_size"),
        (tokens + multiple - 1) / multiple * multiple);
  }

  @Test
  void aLongerModelComputesAndIsReadAgain() {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad();
        CheckpointModel model = load("llama")) {
      Tensor before = logits(model, 5, 6, 7);
      model.resizeTokenEmbeddings(45);
      assertClose(before, logits(model, 5, 6, 7).narrow(2, 0, BEFORE), 0);
      Tensor longer = logits(model, 5, 44, 7);
      assertEquals(45, longer.size(2));
      model.savePretrained(temporary);
      try (CausalLM again = AutoModelForCausalLM.fromPretrained(temporary)) {
        assertClose(longer, logits(again, 5, 44, 7), 0);
        assertFalse(again.hasResizedEmbeddings());
      }
    }
  }

  private static Tensor logits(PretrainedModel model, long... ids) {
    Tensor row = Creation.ofLongs(new long[][] {ids});
    return model.forward(ModelInput.builder().inputIds(row).build()).logits().orElseThrow();
  }

  @Test
  void theNewRowsSpread() {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      assertEquals(Math.sqrt(1e-9), spread(o -> {}), 0.3 * Math.sqrt(1e-9));
      double plain = spread(o -> o.meanResizing(false));
      assertEquals(
          0.02 / 0.3, plain, 0.01); // initializer_range, and the spread of the golden's rows
    }
  }

  /** Of the new rows, relative to that of the old ones. */
  private static double spread(Consumer<ResizeOptions.Builder> options) {
    Randomness.manualSeed(5);
    try (CheckpointModel model = load("llama")) {
      Tensor old = model.backbone().inputEmbeddings().table().tensor().detach().copy();
      Tensor table = model.resizeTokenEmbeddings(1040, options).table().tensor().detach();
      Tensor added = table.narrow(0, BEFORE, 1000);
      return deviation(added) / deviation(old);
    }
  }

  private static double deviation(Tensor rows) {
    Tensor centred = rows.sub(rows.sum(0).div(rows.size(0)).unsqueeze(0));
    return Math.sqrt(centred.mul(centred).mean().toDouble());
  }

  @Test
  void theSameNumberChangesNothing() {
    try (CheckpointModel model = load("llama")) {
      Tensor before = model.backbone().inputEmbeddings().table().tensor();
      model.resizeTokenEmbeddings(BEFORE);
      assertSame(before, model.backbone().inputEmbeddings().table().tensor());
      assertFalse(model.hasResizedEmbeddings());
    }
  }

  @Test
  void badNumbersChangeNothing() {
    try (CheckpointModel model = load("llama")) {
      assertRefused("newNumTokens is 0", () -> model.resizeTokenEmbeddings(0));
      assertRefused(
          "padToMultipleOf is 0", () -> model.resizeTokenEmbeddings(45, o -> o.padToMultipleOf(0)));
      assertRefused(
          "newNumTokens is 2147483647",
          () -> model.resizeTokenEmbeddings(Integer.MAX_VALUE, o -> o.padToMultipleOf(64)));
      assertEquals(BEFORE, model.config().vocabSize());
      assertEquals(BEFORE, model.backbone().inputEmbeddings().numEmbeddings());
    }
  }

  private static void assertRefused(String part, Runnable change) {
    String message = assertThrows(IllegalArgumentException.class, change::run).getMessage();
    assertTrue(message.contains(part), message);
  }

  /** DeBERTa's own head has no map to tokens, but a bias; Python cannot resize it. */
  @Test
  void aLoneBiasIsFilledUp() {
    try (MaskedLM model =
            AutoModelForMaskedLM.fromPretrained(Goldens.folder("heads_deberta_v3/masked_lm"));
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      ModelInput input =
          ModelInput.builder().inputIds(Creation.ofLongs(new long[][] {{5, 6, 17, 8}})).build();
      Tensor before = model.forward(input).logits().orElseThrow();
      model.resizeTokenEmbeddings(BEFORE + 3);
      Tensor longer = model.forward(input).logits().orElseThrow();
      assertEquals(BEFORE + 3, longer.size(2));
      assertClose(before, longer.narrow(2, 0, BEFORE), 1e-6);
      Parameter bias = model.namedParameters().get("lm_predictions.lm_head.bias");
      assertClose(Creation.zeros(bias.dtype(), 3), bias.tensor().detach().narrow(0, BEFORE, 3), 0);
      model.resizeTokenEmbeddings(BEFORE - 4);
      assertClose(
          before.narrow(2, 0, BEFORE - 4), model.forward(input).logits().orElseThrow(), 1e-6);
    }
  }
}
