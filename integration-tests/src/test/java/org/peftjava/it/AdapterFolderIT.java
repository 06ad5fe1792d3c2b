package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.SequenceClassification;
import org.peftjava.transformers.config.InvalidFileException;

/** {@code AutoModel...fromPretrained} of an adapter's folder: the base model with the adapter. */
@ExtendWith(NoLeaks.class)
class AdapterFolderIT {
  @TempDir private Path temporary;

  /** Copies an adapter and lets it name this base model. */
  private Path adapter(Path source, Path base) throws IOException {
    Path folder = Files.createDirectories(temporary.resolve("adapter"));
    copy(source, folder);
    setBase(folder, base.toAbsolutePath().toString());
    return folder;
  }

  private static void copy(Path source, Path folder) throws IOException {
    try (Stream<Path> files = Files.list(source)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
  }

  private static void setBase(Path folder, String base) throws IOException {
    Path file = folder.resolve("adapter_config.json");
    ObjectNode config = (ObjectNode) Golden.json(file);
    config.put("base_model_name_or_path", base);
    Files.writeString(file, config.toString());
  }

  private static void assertFrozen(org.peftjava.torch.nn.Module module) {
    assertFalse(module.isTraining());
    assertEquals(
        0, module.namedParameters().values().stream().filter(Parameter::requiresGrad).count());
  }

  @Test
  void causalLanguageModel() throws IOException {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Golden golden = Golden.open("adapter_mixin");
      Path folder = adapter(golden.folder("default"), AdapterMixinIT.BASE);
      try (CausalLM model =
          AutoModelForCausalLM.fromPretrained(
              folder.toString(), options -> options.adapterName("style"))) {
        assertEquals(List.of("style"), model.activeAdapters());
        assertFrozen(model);
        golden.assertLogits("default.logits", model, "in", golden.tolerance("forward"));
        assertEquals(
            AdapterMixinIT.BASE.toAbsolutePath().toString(),
            model.config().nameOrPath().orElseThrow());
        model.disableAdapters();
        golden.assertLogits("disabled.logits", model, "in", golden.tolerance("forward"));
      }
    }
  }

  /** An adapter of a language model fits the model without head, as in Python. */
  @Test
  void modelWithoutHead() throws IOException {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Golden golden = Golden.open("adapter_mixin");
      Path folder = adapter(golden.folder("default"), AdapterMixinIT.BASE);
      try (FeatureExtraction model = AutoModel.fromPretrained(folder)) {
        Tensor hidden = model.forward(golden.input("in").build()).lastHiddenState().orElseThrow();
        Tensor padding = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
        Golden.assertClose(
            golden.get("bare.last_hidden_state").maskedFill(padding, 0),
            hidden.maskedFill(padding, 0),
            golden.tolerance("forward"),
            "hidden");
        Path saved = temporary.resolve("saved");
        model.savePretrained(saved);
        try (FeatureExtraction again = AutoModel.fromPretrained(saved)) {
          assertEquals(model.getAdapterStateDict().keySet(), again.getAdapterStateDict().keySet());
        }
        setBase(saved, AdapterMixinIT.BASE.toString());
        try (CausalLM language = AutoModelForCausalLM.fromPretrained(saved)) {
          golden.assertLogits("default.logits", language, "in", golden.tolerance("forward"));
        }
      }
    }
  }

  @Test
  void textClassifierWithItsTrainedHead() throws IOException {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Golden golden = Golden.open("bert_lora");
      Path folder = adapter(golden.folder("adapter"), golden.folder("base"));
      try (SequenceClassification model =
          AutoModelForSequenceClassification.fromPretrained(folder)) {
        Tensor logits =
            model
                .forward(golden.input("in").tokenTypeIds(golden.get("in.token_type_ids")).build())
                .logits()
                .orElseThrow();
        Golden.assertClose(
            golden.get("adapter.logits"), logits, golden.tolerance("forward"), "logits");
      }
    }
  }

  @Test
  void textFromText() throws IOException {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Golden golden = Golden.open("t5_v10");
      Path folder = adapter(golden.folder("adapter"), golden.folder("model"));
      try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromPretrained(folder)) {
        assertFrozen(model);
        Tensor logits =
            model
                .forward(
                    golden.input("in").labels(golden.get("in.labels")).outputLogits(true).build())
                .logits()
                .orElseThrow();
        Golden.assertClose(
            golden.get("adapter.logits"), logits, golden.tolerance("forward"), "logits");
      }
    }
  }

  /** A model's own folder wins over what the adapter in it names. */
  @Test
  void adapterBesideItsModel() throws IOException {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Golden golden = Golden.open("adapter_mixin");
      Path folder = adapter(golden.folder("default"), Path.of("nowhere"));
      Files.delete(folder.resolve("generation_config.json"));
      copy(AdapterMixinIT.BASE, folder);
      try (CausalLM model = AutoModelForCausalLM.fromPretrained(folder)) {
        golden.assertLogits("default.logits", model, "in", golden.tolerance("forward"));
      }
    }
  }

  @Test
  void adapterWithoutBaseModel() throws IOException {
    Path folder = adapter(Golden.ROOT.resolve("adapter_mixin/default"), AdapterMixinIT.BASE);
    setBase(folder, "");
    assertEquals(
        folder.resolve("adapter_config.json")
            + ": does not name the adapter's base model (base_model_name_or_path). Load the base"
            + " model and give it the adapter with loadAdapter.",
        assertThrows(InvalidFileException.class, () -> AutoModelForCausalLM.fromPretrained(folder))
            .getMessage());
    setBase(folder, "/no such folder");
    assertThrows(IllegalArgumentException.class, () -> AutoModelForCausalLM.fromPretrained(folder));
  }
}
