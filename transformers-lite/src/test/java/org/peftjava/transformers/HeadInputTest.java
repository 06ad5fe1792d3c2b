package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.EncoderConfigBuilder;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.model.bert.BertConfig;
import org.peftjava.transformers.model.distilbert.DistilBertConfig;
import org.peftjava.transformers.model.roberta.RobertaConfig;

/** Inputs that heads and encoders cannot work with are refused in sentences. */
class HeadInputTest {
  private static final long[][] IDS = {{5, 6, 7}, {8, 9, 0}};

  private TensorScope scope;
  private long liveBefore;

  @BeforeEach
  void open() {
    liveBefore = TensorLedger.liveTensors();
    scope = TensorScope.open("test");
  }

  @AfterEach
  void nothingIsLeft() {
    scope.close();
    assertEquals(liveBefore, TensorLedger.liveTensors());
  }

  private static ModelInput.Builder input() {
    return ModelInput.builder().inputIds(Creation.ofLongs(IDS));
  }

  private static void refuses(PretrainedModel model, ModelInput.Builder input, String... parts) {
    try (TensorScope inner = TensorScope.open("refused")) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> model.forward(input.build()))
              .getMessage();
      for (String part : parts) {
        assertTrue(message.contains(part), message);
      }
    }
  }

  private static Tensor longs(long... values) {
    return Creation.ofLongs(values, values.length);
  }

  private static Tensor floats(int rows, int columns) {
    return Creation.ofFloats(new float[rows * columns], rows, columns);
  }

  @Test
  void labelsOfTexts() {
    try (SequenceClassification model = TinyBert.classifier(TinyBert.config().numLabels(3))) {
      refuses(model, input().labels(longs(0, 3)), "Label 3 ", "expected 0 to 2", "numLabels");
      refuses(model, input().labels(longs(0, -1)), "Label -1 ");
      refuses(model, input().labels(longs(0, 1, 2)), "labels have shape [3]", "Expected [2].");
      refuses(model, input().labels(floats(2, 2)), "labels have shape [2, 2]", "Expected [2, 3].");
      refuses(
          model,
          input().labels(Creation.ofLongs(IDS)),
          "labels have shape [2, 3] for single_label_classification");
    }
    try (SequenceClassification model =
        TinyBert.classifier(TinyBert.config().numLabels(3).problemType("regression"))) {
      refuses(
          model, input().labels(longs(0, 1)), "labels are int64 for regression", "floating-point");
    }
    try (SequenceClassification model =
        TinyBert.classifier(
            TinyBert.config().numLabels(3).problemType("single_label_classification"))) {
      refuses(model, input().labels(floats(2, 3)), "labels are float32. Expected int64");
    }
  }

  /** As in Python, the first labels decide, and what they decided is saved. */
  @Test
  void theProblemIsToldFromTheFirstLabels() {
    try (SequenceClassification model = TinyBert.classifier(TinyBert.config().numLabels(3));
        GradMode off = GradMode.noGrad()) {
      model.forward(input().labels(floats(2, 3)).build());
      assertEquals("multi_label_classification", model.config().json().getString("problem_type"));
      refuses(model, input().labels(longs(0, 1)), "for multi_label_classification");
    }
    try (SequenceClassification model = TinyBert.classifier(TinyBert.config().numLabels(1));
        GradMode off = GradMode.noGrad()) {
      refuses(model, input().labels(longs(0, 1)), "labels are int64 for regression");
      model.forward(input().labels(floats(2, 1)).build());
      assertEquals("regression", model.config().json().getString("problem_type"));
    }
  }

  @Test
  void labelsOfTokens() {
    PretrainedConfig config = TinyBert.config().numLabels(3).build();
    try (TokenClassification model =
        TinyBert.model(AutoModelForTokenClassification::fromConfig, config)) {
      refuses(
          model,
          input().labels(Creation.ofLongs(new long[][] {{0, 1, 2}, {-100, 3, 0}})),
          "Label 3 ",
          "expected 0 to 2");
      refuses(model, input().labels(longs(0, 1)), "labels have shape [2] for an input of shape");
      refuses(model, input().labels(floats(2, 3)), "labels are float32. Expected int64");
    }
    try (MaskedLM model = TinyBert.model(AutoModelForMaskedLM::fromConfig, config)) {
      refuses(
          model,
          input().labels(Creation.ofLongs(new long[][] {{0, 1, 2}, {-100, 30, 0}})),
          "Label 30 ",
          "expected 0 to 29");
    }
  }

  @Test
  void positionsOfAnswers() {
    PretrainedConfig config = TinyBert.config().build();
    try (QuestionAnswering model =
        TinyBert.model(AutoModelForQuestionAnswering::fromConfig, config)) {
      refuses(model, input().startPositions(longs(0, 1)), "Only one of startPositions");
      refuses(
          model,
          input().startPositions(longs(0, 1)).endPositions(longs(1)),
          "endPositions have shape [1]. Expected [2]");
      refuses(
          model,
          input().startPositions(longs(0, 1)).endPositions(floats(2, 1)),
          "endPositions are float32");
      refuses(model, input().labels(longs(0, 1)), "startPositions and endPositions");
    }
    assertTrue(
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    AutoModelForQuestionAnswering.withoutWeights(
                        TinyBert.config().numLabels(3).build(), DType.FLOAT32))
            .getMessage()
            .startsWith("num_labels is 3. Question answering needs 2"));
  }

  @Test
  void tokensSegmentsAndPositions() {
    try (SequenceClassification model = TinyBert.classifier(TinyBert.config())) {
      refuses(
          model,
          input().tokenTypeIds(Creation.ofLongs(new long[][] {{0, 1, 2}, {0, 0, 0}})),
          "tokenTypeIds contain 2. Expected 0 to 1 (type_vocab_size is 2)");
      refuses(
          model,
          input().tokenTypeIds(Creation.ofLongs(new long[][] {{0, 1}, {0, 0}})),
          "tokenTypeIds has shape [2, 2]. Expected [2, 3]");
      refuses(
          model,
          input().positionIds(Creation.ofLongs(new long[][] {{0, 1, 12}, {0, 1, 2}})),
          "positionIds contain 12. Expected 0 to 11");
      refuses(
          model,
          ModelInput.builder().inputIds(Creation.ofLongs(new long[1][13])),
          "The sequence has 13 tokens, but the model has positions for 12");
      refuses(
          model,
          ModelInput.builder().inputIds(Creation.ofLongs(new long[][] {{30}})),
          "Token id 30 is outside the vocabulary");
      refuses(
          model,
          ModelInput.builder().inputsEmbeds(Creation.zeros(DType.FLOAT32, 1, 2, 15)),
          "inputsEmbeds have shape [1, 2, 15]. Expected vectors of size 16");
      try (KvCache cache = new KvCache(2, 4)) {
        refuses(model, input().past(cache), "A KvCache was passed to an encoder");
      }
    }
    DistilBertConfig distil =
        DistilBertConfig.builder().vocabSize(30).dim(8).nHeads(2).nLayers(1).hiddenDim(8).build();
    try (FeatureExtraction model = TinyBert.model(AutoModel::fromConfig, distil)) {
      refuses(
          model,
          input().tokenTypeIds(Creation.ofLongs(IDS)),
          "a model of type 'distilbert' knows no token types");
      refuses(model, input().labels(longs(0, 1)), "a model without head has no loss");
    }
    RobertaConfig roberta =
        RobertaConfig.builder()
            .vocabSize(30)
            .hiddenSize(8)
            .numAttentionHeads(2)
            .numHiddenLayers(1)
            .intermediateSize(8)
            .maxPositionEmbeddings(12)
            .build();
    try (FeatureExtraction model = TinyBert.model(AutoModel::fromConfig, roberta)) {
      refuses(
          model,
          ModelInput.builder().inputIds(Creation.ofLongs(new long[1][11])),
          "The sequence has 11 tokens, but the model has positions for 10");
    }
  }

  @Test
  void severalTextsNeedAPaddingToken() {
    PretrainedConfig config = TinyOpt.config().padTokenId(OptionalLong.empty()).build();
    try (SequenceClassification model =
            TinyBert.model(AutoModelForSequenceClassification::fromConfig, config);
        GradMode off = GradMode.noGrad()) {
      refuses(model, input(), "The batch has 2 rows, but the config has no pad_token_id");
      ModelInput single =
          ModelInput.builder().inputIds(Creation.ofLongs(new long[][] {{5, 6}})).build();
      assertEquals(2, model.forward(single).logits().orElseThrow().numel());
    }
  }

  @Test
  void tasksThatAnArchitectureDoesNotHave() {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> AutoModelForMaskedLM.withoutWeights(TinyOpt.config().build(), DType.FLOAT32))
            .getMessage();
    assertEquals(
        "A model of type 'opt' has no head for masked lm. It has heads for: feature extraction,"
            + " causal lm, sequence classification, question answering.",
        message);
    assertThrows(
        IllegalArgumentException.class,
        () -> AutoModelForSeq2SeqLM.withoutWeights(TinyOpt.config().build(), DType.FLOAT32));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            AutoModelForTokenClassification.withoutWeights(
                TinyOpt.config().build(), DType.FLOAT32));
  }

  @Test
  void settingsThatMakeNoModel() {
    assertConfig("hidden_size (15) must be divisible", () -> TinyBert.config().hiddenSize(15));
    assertConfig("num_hidden_layers is 0", () -> TinyBert.config().numHiddenLayers(0));
    assertConfig("pad_token_id is 30", () -> TinyBert.config().padTokenId(OptionalLong.of(30)));
    assertConfig("classifier_dropout is 1.0", () -> TinyBert.config().classifierDropout(1));
    assertConfig("\"num_labels\" is 0", () -> TinyBert.config().numLabels(0));
    assertConfig(
        "add_cross_attention is true",
        "{\"model_type\": \"bert\", \"is_decoder\": true, \"add_cross_attention\": true}");
    String encoder =
        assertThrows(
                IllegalArgumentException.class,
                () -> AutoModelForCausalLM.withoutWeights(TinyBert.config().build(), DType.FLOAT32))
            .getMessage();
    assertTrue(encoder.contains("is_decoder is false"), encoder);
    assertTrue(encoder.contains("isDecoder(true)"), encoder);
    assertConfig(
        "\"position_embedding_type\" is \"relative_key\"",
        "{\"model_type\": \"bert\", \"position_embedding_type\": \"relative_key\"}");
    assertConfig(
        "pad_token_id is null, but RoBERTa",
        "{\"model_type\": \"roberta\", \"pad_token_id\": null}");
    assertConfig("dim (10) must be", "{\"model_type\": \"distilbert\", \"dim\": 10}");
  }

  private static void assertConfig(String part, Supplier<EncoderConfigBuilder<BertConfig>> config) {
    String message = assertThrows(RuntimeException.class, () -> config.get().build()).getMessage();
    assertTrue(message.contains(part), message);
  }

  private static void assertConfig(String part, String json) {
    String message =
        assertThrows(
                RuntimeException.class,
                () -> AutoConfig.of(ConfigJson.parse(json, Path.of("config.json"))))
            .getMessage();
    assertTrue(message.contains(part), message);
  }
}
