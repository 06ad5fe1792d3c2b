package org.peftjava.quant.bnb;

import java.util.Map;
import java.util.Set;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;

/**
 * {@link AdamW8bit}, whose steps it takes, with moments that need not stay on a card: those of
 * parameters with at least {@link #MIN_PAGED_SIZE} numbers are in managed memory, which the driver
 * moves to the host when the card is full, and which is fetched before each update.
 *
 * <p>This is for the moments when a step needs more than the card has: where it has enough, nothing
 * moves. On the CPU, and on cards and systems without managed memory that can be moved while the
 * card works (Windows, WSL; the log says so), it is the plain optimizer.
 *
 * <p>Reference: {@code bitsandbytes.optim.PagedAdamW8bit}.
 */
public final class PagedAdamW8bit extends BlockwiseAdamW {
  /** The state of parameters with fewer numbers is not paged. */
  public static final long MIN_PAGED_SIZE = 100_000;

  /**
   * An optimizer of these parameters.
   *
   * @param parameters their names are the keys of the state dict
   * @param wide names of parameters with a float32 state; transformers has token embeddings so
   */
  public PagedAdamW8bit(
      Map<String, Parameter> parameters, AdamW.Options options, Set<String> wide) {
    super(parameters, options, wide, PAGED, false);
  }
}
