package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.TorchException;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.transformers.model.AttentionMask;
import org.peftjava.transformers.model.DecoderContext;
import org.peftjava.transformers.model.LayerStack;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * Models on several devices: what crosses a border must be brought over. The other device is
 * libtorch's "meta", which has shapes and no values, so that this runs anywhere.
 */
class SeveralDevicesTest {
  private static final Device META = new Device("meta", 0);
  private static final long[][] IDS = {{3, 5, 6, 17, 8, 29, 31}, {3, 9, 33, 4, 11, 1, 1}};
  private static final long[][] MASK = {{1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 0, 0}};

  static List<Path> decoders() throws IOException {
    try (Stream<Path> folders = Files.list(Goldens.folder("generation").getParent())) {
      return folders
          .filter(folder -> folder.getFileName().toString().startsWith("decoder_"))
          .map(folder -> folder.resolve("base"))
          .filter(Files::isDirectory)
          .sorted()
          .toList();
    }
  }

  /**
   * Says of one part after the other that it is elsewhere, and looks whether its input goes there.
   */
  private static void assertEveryPartHasItsInputBrought(CheckpointModel model, ModelInput input) {
    Map<String, Module> parts = ModelParts.of(model).movable();
    assertTrue(parts.size() >= 2, parts::toString);
    assertFalse(arrivesAtMeta(model, input));
    parts.forEach(
        (path, part) -> {
          part.inputDevice(META);
          assertTrue(arrivesAtMeta(model, input), path);
          part.inputDevice(null);
        });
  }

  /** Weights stay on the CPU: their product with what is on "meta" is an error, or on "meta". */
  private static boolean arrivesAtMeta(CheckpointModel model, ModelInput input) {
    try (TensorScope scope = TensorScope.open("pass")) {
      ModelOutput output = model.forward(input);
      return Stream.of(output.logits(), output.startLogits(), output.poolerOutput())
          .flatMap(Optional::stream)
          .anyMatch(tensor -> tensor.device().equals(META));
    } catch (TorchException e) {
      assertTrue(e.getMessage().toLowerCase(Locale.ROOT).contains("meta"), e.getMessage());
      return true;
    }
  }

  private static ModelInput input() {
    return ModelInput.of(TokenBatch.of(IDS, MASK), Device.CPU);
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void decoders(Path folder) {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad();
        CausalLM model = AutoModelForCausalLM.fromPretrained(folder)) {
      assertEveryPartHasItsInputBrought(model, input());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5"})
  void encoderDecoders(String name) {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad();
        Seq2SeqLM model =
            AutoModelForSeq2SeqLM.fromPretrained(Goldens.folder(name).resolve("model"))) {
      Tensor labels = Creation.ofLongs(new long[][] {{4, 5, 6}, {7, 8, 9}});
      assertEveryPartHasItsInputBrought(
          model, input().toBuilder().labels(labels).outputLogits(true).build());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "heads_bert, base",
    "heads_bert, sequence",
    "heads_bert, token",
    "heads_bert, span",
    "heads_bert, masked_lm",
    "heads_roberta, sequence",
    "heads_roberta, token",
    "heads_roberta, masked_lm",
    "heads_distilbert, sequence",
    "heads_distilbert, span",
    "heads_distilbert, masked_lm",
    "heads_opt, sequence",
    "heads_opt, span"
  })
  void heads(String folder, String head) {
    Path path = Goldens.folder(folder).resolve(head);
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad();
        CheckpointModel model = load(path, head)) {
      assertEveryPartHasItsInputBrought(model, input());
    }
  }

  /** The context of a layer goes with its hidden state, and no further than the next border. */
  @Test
  void masksGoAlong() {
    try (TensorScope scope = TensorScope.open("test")) {
      List<String> seen = new ArrayList<>();
      List<Module> layers = List.of(new Dropout(0), new Dropout(0), new Dropout(0), new Dropout(0));
      layers.get(1).inputDevice(META);
      layers.get(2).inputDevice(META);
      layers.get(3).inputDevice(new Device("cpu", 0));
      AttentionMask mask = new AttentionMask(Creation.zeros(DType.FLOAT32, 1, 1, 2, 2), false);
      try {
        LayerStack.run(
            layers,
            Creation.zeros(DType.FLOAT32, 1, 2, 4),
            new DecoderContext(mask, null, null),
            false,
            (layer, hidden, context) -> {
              seen.add(hidden.device() + " " + context.tensors().get(0).device());
              return hidden.mul(2);
            });
        fail("values came back from meta");
      } catch (TorchException e) {
        assertTrue(e.getMessage().contains("meta"), e.getMessage());
      }
      assertEquals(List.of("cpu cpu", "meta meta", "meta meta"), seen);
    }
  }

  /** A layer that takes another's place, as an adapted one does, is where that one was. */
  @Test
  void replacedLayersStay() {
    try (CausalLM model = TinyOpt.model(TinyOpt.config())) {
      Module before = ModulePath.get(model, "lm_head");
      before.inputDevice(META);
      try (Linear other = new Linear(16, 30, false, DType.FLOAT32)) {
        ModulePath.replace(model, "lm_head", other);
        assertEquals(META, other.inputDevice());
        ModulePath.replace(model, "lm_head", before);
      }
    }
  }

  private static CheckpointModel load(Path path, String head) {
    return switch (head) {
      case "sequence" -> AutoModelForSequenceClassification.fromPretrained(path);
      case "token" -> AutoModelForTokenClassification.fromPretrained(path);
      case "span" -> AutoModelForQuestionAnswering.fromPretrained(path);
      case "masked_lm" -> AutoModelForMaskedLM.fromPretrained(path);
      default -> AutoModel.fromPretrained(path);
    };
  }
}
