package org.peftjava.it;

import java.nio.file.Path;
import java.util.List;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.peftjava.transformers.training.Dataset;

/** What a block of docs/from-python.md finds: the things that blocks before it have made. */
public abstract class Snippet implements AutoCloseable {
  protected final Tokenizer tokenizer;
  protected final CausalLM base;
  protected final PeftModelForCausalLM model;
  protected final LoraConfig loraConfig =
      LoraConfig.builder().r(2).loraAlpha(3).targetModules("q_proj", "v_proj").build();
  protected final List<String> texts =
      List.of(
          "Preheat the oven to 350 degrees",
          "Place the cookie dough on a tray",
          "Mix the flour with the sugar",
          "Add the butter and mix again");
  protected final long[] labels = {1, 0, 0, 1};
  protected final Dataset trainDataset;

  /** Opens a model with an adapter where the block is about one, else without. */
  protected Snippet(Path folder, boolean adapted) {
    tokenizer = AutoTokenizer.fromPretrained(folder, o -> o.paddingSide(Side.LEFT));
    base = AutoModelForCausalLM.fromPretrained(folder);
    model = adapted ? Peft.getPeftModel(base, loraConfig) : null;
    trainDataset = Dataset.fromTexts(texts, tokenizer, o -> o.maxLength(32));
  }

  /** The block. */
  public abstract void run() throws Exception;

  @Override
  public void close() {
    if (model != null) {
      model.close();
    }
    base.close();
    tokenizer.close();
  }
}
