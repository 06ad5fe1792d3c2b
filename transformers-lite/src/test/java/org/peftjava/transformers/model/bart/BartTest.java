package org.peftjava.transformers.model.bart;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForQuestionAnswering;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqInput;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.Seq2SeqOutput;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** BART beside transformers; its generation is in T5GenerationTest, too. */
class BartTest {
  private static final double TOLERANCE = 1e-5;
  private static final double GRADIENT = 1e-4;

  private long liveBefore;

  @BeforeEach
  void count() {
    liveBefore = TensorLedger.liveTensors();
  }

  @AfterEach
  void nothingIsLeft() {
    assertEquals(liveBefore, TensorLedger.liveTensors());
  }

  private static Path folder(String name) {
    return Goldens.folder(name).resolve("model");
  }

  private static Tensor tensor(Map<String, Tensor> golden, String name) {
    return Objects.requireNonNull(golden.get(name), name);
  }

  private static ModelInput.Builder source(Map<String, Tensor> golden, String batch) {
    return ModelInput.builder()
        .inputIds(tensor(golden, batch + ".input_ids"))
        .attentionMask(tensor(golden, batch + ".attention_mask"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"bart", "bart_forced"})
  void logitsAndTracesOfPaddedBatches(String name) {
    try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromPretrained(folder(name));
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      ModelInput.Builder input =
          source(golden, "plain")
              .seq2seq(
                  Seq2SeqInput.builder()
                      .decoderInputIds(tensor(golden, "plain.decoder_input_ids"))
                      .decoderAttentionMask(tensor(golden, "plain.decoder_attention_mask"))
                      .build());
      assertClose(
          tensor(golden, "plain.logits"),
          model.forward(input.build()).logits().orElseThrow(),
          TOLERANCE);
      ModelOutput traced =
          model.forward(input.outputHiddenStates(true).outputAttentions(true).build());
      Seq2SeqOutput more = traced.seq2seq().orElseThrow();
      assertClose(
          tensor(golden, "plain.encoder_last_hidden_state"),
          more.encoderLastHiddenState(),
          TOLERANCE);
      assertTrace(golden, "encoder_hidden_states", more.encoderHiddenStates());
      assertTrace(golden, "encoder_attentions", more.encoderAttentions());
      assertTrace(golden, "decoder_hidden_states", traced.hiddenStates());
      assertTrace(golden, "decoder_attentions", traced.attentions());
      assertTrace(golden, "cross_attentions", more.crossAttentions());
      assertEquals(name.equals("bart"), model.isTied());
    }
  }

  private static void assertTrace(Map<String, Tensor> golden, String name, List<Tensor> actual) {
    String prefix = "trace." + name + ".";
    assertEquals(
        golden.keySet().stream().filter(key -> key.startsWith(prefix)).count(), actual.size());
    for (int i = 0; i < actual.size(); i++) {
      assertClose(tensor(golden, prefix + i), actual.get(i), TOLERANCE);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"bart", "bart_forced"})
  void lossAndGradients(String name) {
    for (boolean recomputed : new boolean[] {false, true}) {
      try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromPretrained(folder(name));
          TensorScope scope = TensorScope.openGraph("test")) {
        Map<String, Tensor> golden = Goldens.tensors(name);
        model.gradientCheckpointing(recomputed);
        ModelInput.Builder input = source(golden, "in").labels(tensor(golden, "in.labels"));
        ModelOutput both = model.forward(input.outputLogits(true).build());
        assertClose(tensor(golden, "labels.logits"), both.logits().orElseThrow(), TOLERANCE);
        ModelOutput alone = model.forward(input.outputLogits(false).build());
        Tensor loss = alone.loss().orElseThrow();
        assertClose(tensor(golden, "labels.loss"), loss, TOLERANCE);
        assertTrue(alone.logits().isEmpty());
        loss.backward();
        assertGradients(golden, "grad.", model.namedParameters(), 10);
        model.zeroGrad();
      }
    }
  }

  private static void assertGradients(
      Map<String, Tensor> golden, String prefix, Map<String, Parameter> parameters, int least) {
    List<String> compared = new ArrayList<>();
    golden.forEach(
        (key, gradient) -> {
          if (key.startsWith(prefix)) {
            Parameter parameter = parameters.get(key.substring(prefix.length()));
            Tensor found =
                parameter
                    .tensor()
                    .grad()
                    .orElseGet(() -> Creation.zeros(gradient.dtype(), gradient.shape().toArray()));
            assertClose(gradient, found, GRADIENT);
            compared.add(key);
          }
        });
    assertTrue(compared.size() >= least, compared::toString);
  }

  @Test
  void forcedTokensBeginAndEndTheText() {
    try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromPretrained(folder("bart_forced"));
        TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> golden = Goldens.tensors("bart_forced");
      TokenBatch batch =
          TokenBatch.of(
              Goldens.rows(tensor(golden, "in.input_ids")),
              Goldens.rows(tensor(golden, "in.attention_mask")));
      for (boolean cached : new boolean[] {true, false}) {
        assertArrayEquals(
            Goldens.rows(tensor(golden, "forced.ids")),
            model
                .generate(batch, g -> g.maxNewTokens(7).forcedBosTokenId(7).useCache(cached))
                .ids());
        assertArrayEquals(
            Goldens.rows(tensor(golden, "forced.beams")),
            model
                .generate(
                    batch, g -> g.maxNewTokens(7).forcedBosTokenId(7).numBeams(3).useCache(cached))
                .ids());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"bart", "bart_forced"})
  void savedAsPythonSaves(String name, @TempDir Path saved) throws IOException {
    try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromPretrained(folder(name))) {
      model.savePretrained(saved);
    }
    assertEquals(
        Files.readString(folder(name).resolve("config.json")),
        Files.readString(saved.resolve("config.json")));
    try (WeightSource python = Checkpoints.open(folder(name));
        WeightSource java = Checkpoints.open(saved)) {
      assertEquals(new TreeSet<>(python.names()), new TreeSet<>(java.names()));
    }
  }

  private static PretrainedModel head(String kind) {
    Path folder = Goldens.folder("bart_heads").resolve(kind);
    return switch (kind) {
      case "base" -> AutoModel.fromPretrained(folder);
      case "sequence" -> AutoModelForSequenceClassification.fromPretrained(folder);
      default -> AutoModelForQuestionAnswering.fromPretrained(folder);
    };
  }

  @ParameterizedTest
  @ValueSource(strings = {"base", "sequence", "span"})
  void otherModels(String kind) {
    try (PretrainedModel model = head(kind);
        TensorScope scope = TensorScope.openGraph("test")) {
      Map<String, Tensor> golden = Goldens.tensors("bart_heads");
      Tensor ids = tensor(golden, "ids");
      ModelInput.Builder input =
          ModelInput.builder().inputIds(ids).attentionMask(ids.ne(0).to(ids.dtype()));
      ModelOutput output = model.forward(input.build());
      output.logits().ifPresent(x -> assertClose(tensor(golden, kind + ".logits"), x, TOLERANCE));
      output
          .lastHiddenState()
          .ifPresent(x -> assertClose(tensor(golden, "base.last_hidden_state"), x, TOLERANCE));
      if (kind.equals("base")) {
        assertTrue(output.lastHiddenState().isPresent());
        return;
      }
      if (kind.equals("span")) {
        assertClose(
            tensor(golden, "span.start_logits"), output.startLogits().orElseThrow(), TOLERANCE);
        assertClose(tensor(golden, "span.end_logits"), output.endLogits().orElseThrow(), TOLERANCE);
        input.startPositions(tensor(golden, "span.start_positions"));
        input.endPositions(tensor(golden, "span.end_positions"));
      } else {
        input.labels(tensor(golden, "sequence.labels"));
      }
      Tensor loss = model.forward(input.build()).loss().orElseThrow();
      assertClose(tensor(golden, kind + ".loss"), loss, TOLERANCE);
      loss.backward();
      assertGradients(golden, kind + ".grad.", model.module().namedParameters(), 10);
      model.module().zeroGrad();
    }
  }

  @Test
  void layersAreLeftOutWhileTraining() {
    BartConfig config =
        BartConfig.builder()
            .vocabSize(20)
            .dModel(8)
            .encoderLayers(2)
            .decoderLayers(2)
            .encoderAttentionHeads(2)
            .decoderAttentionHeads(2)
            .encoderFfnDim(8)
            .decoderFfnDim(8)
            .maxPositionEmbeddings(16)
            .dropout(0)
            .encoderLayerdrop(0.5)
            .initStd(0.3)
            .build();
    try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromConfig(config, DType.FLOAT32);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      ModelInput input =
          ModelInput.builder()
              .inputIds(Creation.ofLongs(new long[][] {{4, 5, 6, 2}}))
              .decoderInputIds(Creation.ofLongs(new long[][] {{2, 7, 8}}))
              .build();
      TreeSet<String> training = new TreeSet<>();
      for (int i = 0; i < 40; i++) {
        training.add(first(model, input));
      }
      assertEquals(4, training.size(), "with either, both or none of two layers");
      model.eval();
      TreeSet<String> inference = new TreeSet<>();
      for (int i = 0; i < 5; i++) {
        inference.add(first(model, input));
      }
      assertEquals(1, inference.size());
    }
  }

  private static String first(Seq2SeqLM model, ModelInput input) {
    return String.format(
        Locale.ROOT, "%.3f", model.forward(input).logits().orElseThrow().toFloats()[0]);
  }

  @Test
  void theDecoderAloneIsRefused() {
    assertTrue(
        assertThrows(
                InvalidFileException.class,
                () -> BartConfig.of(BartConfig.builder().build().json().with("is_decoder", true)))
            .getMessage()
            .contains("is_decoder"));
  }

  @Test
  void whatIsAddedToLogitsGrowsWithTheVocabulary() {
    try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromPretrained(folder("bart"));
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors("bart");
      ModelInput input =
          source(golden, "in").labels(tensor(golden, "in.labels")).outputLogits(true).build();
      model.resizeTokenEmbeddings(43);
      Tensor logits = model.forward(input).logits().orElseThrow();
      assertEquals(43, logits.size(2));
      assertClose(tensor(golden, "labels.logits"), logits.narrow(2, 0, 40), TOLERANCE);
      assertEquals(43, model.config().vocabSize());
    }
  }
}
