package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.optimizers.OptimizerFactory;
import org.peftjava.peft.optimizers.Optimizers;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;

/** LoRA+ over optimizers of bitsandbytes. */
@ExtendWith(LedgerCheck.class)
class OptimizerFactoryTest {
  /** A paged state is the same state, wherever it is. */
  @Test
  void eightBitStatesMayBePaged() {
    try (TensorScope scope = TensorScope.openGraph("case");
        CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("opt_lora/base"));
        PeftModelForCausalLM model =
            PeftModel.fromPretrained(
                base, Goldens.path("peft_optimizers/loraplus"), o -> o.isTrainable(true))) {
      Tensor ids = Goldens.tensors("peft_optimizers/io.safetensors").get("in.input_ids");
      float[] start = values(model);
      float[] plain = stepped(model, ids, OptimizerFactory.adamw8bit(model));
      model.loadAdapter(
          Goldens.path("peft_optimizers/loraplus"),
          o -> o.adapterName("default").isTrainable(true));
      assertArrayEquals(start, values(model));
      assertFalse(Arrays.equals(start, plain));
      assertArrayEquals(plain, stepped(model, ids, OptimizerFactory.pagedAdamw8bit(model)));
    }
  }

  private static float[] stepped(PeftModelForCausalLM model, Tensor ids, OptimizerFactory factory) {
    try (TensorScope scope = TensorScope.openGraph("step");
        Optimizer optimizer =
            Optimizers.createLoraplusOptimizer(
                model, factory, o -> o.lr(0.02).loraplusLrRatio(8))) {
      ModelInput input = ModelInput.builder().inputIds(ids).labels(ids).build();
      model.forward(input).loss().orElseThrow().backward();
      optimizer.step();
      optimizer.zeroGrad();
      return values(model);
    }
  }

  private static float[] values(PeftModelForCausalLM model) {
    return model.namedParameters().entrySet().stream()
        .filter(entry -> entry.getKey().contains("lora_B"))
        .findFirst()
        .orElseThrow()
        .getValue()
        .tensor()
        .toFloats();
  }
}
