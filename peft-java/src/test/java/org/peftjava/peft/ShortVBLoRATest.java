package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.vblora.VBLoRAConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.model.opt.OptConfig;

/** VB-LoRA files that hold only the mixtures (save_only_topk_weights): golden/vblora_short. */
@ExtendWith(LedgerCheck.class)
class ShortVBLoRATest {
  private static final Path ADAPTER = Goldens.path("vblora_short/adapter");

  @Test
  void loadsSavesAndRefusesTraining(@TempDir Path folder) {
    try (TensorScope scope = TensorScope.openGraph("test");
        CausalLM base = AutoModelForCausalLM.fromPretrained(TinyOpt.FOLDER);
        PeftModelForCausalLM model =
            PeftModel.fromPretrained(base, ADAPTER, options -> options.isTrainable(true))) {
      Map<String, Tensor> golden = Goldens.tensors("vblora_short/io.safetensors");
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(golden.get("in.attention_mask"))
              .build();
      Tensor padding = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
      model.eval();
      try (GradMode off = GradMode.noGrad()) {
        Goldens.assertClose(
            golden.get("adapter.logits").maskedFill(padding, 0),
            model.forward(input).logits().orElseThrow().maskedFill(padding, 0),
            1e-5,
            "logits");
      }
      model.savePretrained(folder);
      assertSameEntries(folder);
      model.train(true);
      String message =
          assertThrows(IllegalStateException.class, () -> model.forward(input)).getMessage();
      assertTrue(message.contains("saveOnlyTopkWeights"), message);
    }
  }

  @Test
  void theStateOfAModelsOwnAdapterIsShortToo() {
    try (TensorScope scope = TensorScope.open("test");
        CausalLM base = AutoModelForCausalLM.fromPretrained(TinyOpt.FOLDER)) {
      base.loadAdapter(ADAPTER.toString());
      Map<String, Tensor> state = base.getAdapterStateDict();
      Map<String, Tensor> expected =
          Goldens.tensors("vblora_short/adapter/adapter_model.safetensors");
      assertEquals(expected.size(), state.size());
      expected.forEach(
          (key, value) -> {
            Tensor actual = state.get(key.replaceFirst("^base_model\\.model\\.", ""));
            assertEquals(value.dtype(), actual.dtype(), key);
            Goldens.assertClose(value.to(DType.FLOAT32), actual.to(DType.FLOAT32), 1e-6, key);
          });
    }
  }

  private static void assertSameEntries(Path folder) {
    try (WeightSource expected = Safetensors.open(ADAPTER.resolve("adapter_model.safetensors"));
        WeightSource actual = Safetensors.open(folder.resolve("adapter_model.safetensors"))) {
      assertEquals(expected.names(), actual.names());
      for (String name : expected.names()) {
        assertEquals(expected.dtype(name), actual.dtype(name), name);
        if (expected.dtype(name) == DType.UINT8) {
          assertArrayEquals(expected.tensor(name).toBytes(), actual.tensor(name).toBytes(), name);
        } else {
          Goldens.assertClose(expected.tensor(name), actual.tensor(name), 1e-6, name);
        }
      }
    }
  }

  /** Recorded from PEFT 0.21's get_nb_savable_parameters and print_savable_parameters. */
  @Test
  void savableParametersArePythons() {
    assertEquals(
        "VB-LoRA params to-be-saved (float32-equivalent): 672 || total params to-be-saved: 672",
        savable(config(8, 4, 2, 2).build()));
    assertEquals(
        "VB-LoRA params to-be-saved (float32-equivalent): 1,480 || total params to-be-saved: 1,480",
        savable(config(300, 4, 3, 2).saveOnlyTopkWeights(true).build()));
    assertEquals(
        "VB-LoRA params to-be-saved (float32-equivalent): 840 || total params to-be-saved: 2,376",
        savable(config(90, 8, 2, 4).saveOnlyTopkWeights(true).modulesToSave("lm_head").build()));
    assertTrue(
        assertThrows(IllegalArgumentException.class, () -> savable(TinyOpt.QV))
            .getMessage()
            .contains("\"default\" is LORA. Only the files of VB-LoRA are counted"));
  }

  private static VBLoRAConfig.Builder config(int numVectors, int length, int topk, int r) {
    return VBLoRAConfig.builder()
        .taskType(TaskType.CAUSAL_LM)
        .targetModules("q_proj", "fc1")
        .numVectors(numVectors)
        .vectorLength(length)
        .topk(topk)
        .r(r);
  }

  private static String savable(TunerConfig config) {
    OptConfig opt =
        OptConfig.builder()
            .vocabSize(96)
            .hiddenSize(16)
            .ffnDim(32)
            .numHiddenLayers(2)
            .numAttentionHeads(2)
            .maxPositionEmbeddings(32)
            .build();
    try (CausalLM base = AutoModelForCausalLM.fromConfig(opt, DType.FLOAT32);
        PeftModelForCausalLM model = Peft.getPeftModel(base, config)) {
      return model.getNbSavableParameters().toString();
    }
  }
}
