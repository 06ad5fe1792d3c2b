package org.peftjava.peft.tuner;

import java.util.Arrays;
import java.util.Map;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Init;

/** How virtual tokens start as tokens of the vocabulary. */
public final class PromptStart {
  private PromptStart() {}

  /** The vectors of tokens drawn at random. */
  public static Init sampled(EmbeddingLayer words) {
    return table -> {
      Tensor draw = Creation.zeros(DType.FLOAT32, table.size(0)).uniformInPlace(0, 1);
      long most = words.numEmbeddings();
      long[] ids = new long[(int) table.size(0)];
      float[] values = draw.toFloats();
      Arrays.setAll(ids, i -> Math.min(most - 1, (long) (values[i] * (double) most)));
      table.copyInPlace(rows(words, ids));
    };
  }

  /** The vectors of these tokens, from the first again when they are used up. */
  public static Init of(EmbeddingLayer words, long[] ids) {
    if (ids.length == 0) {
      throw new IllegalArgumentException(
          "The text that virtual tokens are to start as has no tokens. Give another text.");
    }
    return table -> {
      long[] repeated = new long[(int) table.size(0)];
      Arrays.setAll(repeated, i -> ids[i % ids.length]);
      table.copyInPlace(rows(words, repeated));
    };
  }

  /** As {@link #of(EmbeddingLayer, long[])} with the tokens of the config's text. */
  public static Init ofText(TextPromptConfig config, PromptSite site) {
    long[] ids =
        site.tokenIds(
            config.tokenizerNameOrPath().orElseThrow(),
            config.tokenizerKwargs().orElse(Map.of()),
            config.promptTuningInitText().orElseThrow());
    return of(site.words(), ids);
  }

  private static Tensor rows(EmbeddingLayer words, long[] ids) {
    try (GradMode off = GradMode.noGrad()) {
      Tensor index = Creation.ofLongs(ids, ids.length).to(words.table().tensor().device());
      return words.forward(index).detach().to(DType.FLOAT32);
    }
  }
}
