package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.model.opt.OptConfig;

/**
 * Where models go if nothing is said. The other device is libtorch's "meta", which has shapes and
 * no values, so that this runs anywhere.
 */
class DefaultDeviceTest {
  private static final Device META = new Device("meta", 0);

  private final Device before = Device.defaultDevice();

  @AfterEach
  void restore() {
    Device.setDefaultDevice(before);
  }

  private static void assertAllOn(Device device, CheckpointModel model) {
    model
        .module()
        .namedState()
        .forEach((name, value) -> assertEquals(device, value.tensor().device(), name));
  }

  @Test
  void newModelsAreThere() {
    OptConfig config = TinyOpt.config().build();
    Device.setDefaultDevice(META);
    try (CausalLM model = AutoModelForCausalLM.fromConfig(config, DType.FLOAT32)) {
      assertAllOn(META, model);
      assertEquals(META, model.device());
    }
    try (CausalLM model = AutoModelForCausalLM.withoutWeights(config, DType.FLOAT32)) {
      assertEquals(Device.CPU, model.device());
    }
    Device.setDefaultDevice("cpu");
    try (CausalLM model = AutoModelForCausalLM.fromConfig(config, DType.FLOAT32)) {
      assertAllOn(Device.CPU, model);
    }
  }

  @Test
  void loadedModelsAreThereUnlessTheyAreSentElsewhere() {
    Device.setDefaultDevice(META);
    String folder = Goldens.folder("opt_lora").resolve("base").toString();
    try (CausalLM model = AutoModelForCausalLM.fromPretrained(folder)) {
      assertAllOn(META, model);
    }
    try (CausalLM model = AutoModelForCausalLM.fromPretrained(folder, o -> o.device("cpu"))) {
      assertAllOn(Device.CPU, model);
    }
  }

  @Test
  void inputsAreBroughtToTheModel() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor ids = Creation.ofLongs(new long[][] {{4, 5}});
      ModelInput input =
          ModelInput.builder()
              .inputIds(ids)
              .attentionMask(ids)
              .decoderInputIds(ids)
              .labels(ids)
              .lossDivisor(3)
              .build();
      assertSame(input, input.to(Device.CPU));
      ModelInput moved = input.to(META);
      assertNotSame(input, moved);
      assertEquals(META, moved.inputIds().device());
      assertEquals(META, moved.attentionMask().device());
      assertEquals(META, moved.labels().device());
      assertEquals(META, moved.seq2seq().decoderInputIds().device());
      assertEquals(3, moved.lossDivisor().orElseThrow());
      assertSame(moved, moved.to(META));
    }
  }
}
