package org.peftjava.transformers.model;

import java.util.List;
import java.util.stream.Collectors;
import org.peftjava.transformers.model.bart.BartArchitecture;
import org.peftjava.transformers.model.bert.BertArchitecture;
import org.peftjava.transformers.model.bloom.BloomArchitecture;
import org.peftjava.transformers.model.debertav2.DebertaV2Architecture;
import org.peftjava.transformers.model.distilbert.DistilBertArchitecture;
import org.peftjava.transformers.model.electra.ElectraArchitecture;
import org.peftjava.transformers.model.gemma.GemmaArchitecture;
import org.peftjava.transformers.model.gemma2.Gemma2Architecture;
import org.peftjava.transformers.model.gemma3.Gemma3TextArchitecture;
import org.peftjava.transformers.model.gpt2.Gpt2Architecture;
import org.peftjava.transformers.model.gptj.GptJArchitecture;
import org.peftjava.transformers.model.gptneox.GptNeoXArchitecture;
import org.peftjava.transformers.model.granite.GraniteArchitecture;
import org.peftjava.transformers.model.llama.LlamaArchitecture;
import org.peftjava.transformers.model.mistral.MistralArchitecture;
import org.peftjava.transformers.model.opt.OptArchitecture;
import org.peftjava.transformers.model.phi.PhiArchitecture;
import org.peftjava.transformers.model.phi3.Phi3Architecture;
import org.peftjava.transformers.model.qwen2.Qwen2Architecture;
import org.peftjava.transformers.model.qwen3.Qwen3Architecture;
import org.peftjava.transformers.model.roberta.RobertaArchitecture;
import org.peftjava.transformers.model.starcoder2.Starcoder2Architecture;
import org.peftjava.transformers.model.t5.T5Architecture;

/** The registry of architectures: one line each. */
public final class Architectures {
  private static final List<Architecture> ALL =
      List.of(
          new BartArchitecture(),
          new BertArchitecture(),
          new BloomArchitecture(),
          new DebertaV2Architecture(),
          new DistilBertArchitecture(),
          new ElectraArchitecture(),
          new GemmaArchitecture(),
          new Gemma2Architecture(),
          new Gemma3TextArchitecture(),
          new Gpt2Architecture(),
          new GptJArchitecture(),
          new GptNeoXArchitecture(),
          new GraniteArchitecture(),
          new LlamaArchitecture(),
          new MistralArchitecture(),
          new OptArchitecture(),
          new PhiArchitecture(),
          new Phi3Architecture(),
          new Qwen2Architecture(),
          new Qwen3Architecture(),
          RobertaArchitecture.roberta(),
          RobertaArchitecture.camembert(),
          RobertaArchitecture.xlmRoberta(),
          new Starcoder2Architecture(),
          T5Architecture.t5(),
          T5Architecture.mt5());

  private Architectures() {}

  /** The architecture of this {@code model_type}. */
  public static Architecture get(String modelType) {
    return ALL.stream()
        .filter(architecture -> architecture.modelType().equals(modelType))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "Unknown model_type '"
                        + modelType
                        + "'. Expected one of: "
                        + ALL.stream()
                            .map(Architecture::modelType)
                            .sorted()
                            .collect(Collectors.joining(", "))
                        + "."));
  }

  /** All known architectures. */
  public static List<Architecture> all() {
    return ALL;
  }
}
