package org.peftjava.peft.tuner.lora;

import java.util.Locale;
import java.util.Optional;

/**
 * How a LoRA adapter starts: the values of A and B, and whether the base weight changes with them.
 *
 * <p>Reference: PEFT {@code LoraConfig.init_lora_weights}. Eva, Corda and LoraGa take data.
 */
public sealed interface LoraInit {
  /** A uniform in ±1/sqrt(d), B zero: the adapter begins as a no-op. Python {@code True}. */
  record Standard() implements LoraInit {}

  /** A and B both random, so that the adapter changes the model at once. Python {@code False}. */
  record Random() implements LoraInit {}

  /** A normal with standard deviation 1/r, B zero. */
  record Gaussian() implements LoraInit {}

  /** A and B orthogonal to each other. */
  record Orthogonal() implements LoraInit {}

  /**
   * Principal singular values and vectors of the weight, arXiv:2404.02948.
   *
   * @param niter iterations of the randomised decomposition; empty for the exact one
   */
  record Pissa(Optional<Integer> niter) implements LoraInit {
    /** With a randomised decomposition. */
    public Pissa(int niter) {
      this(Optional.of(niter));
    }
  }

  /** QR decomposition of the weight, arXiv:2406.01775. */
  record Olora() implements LoraInit {}

  /** Principal components of the layers' inputs, arXiv:2410.07170. */
  record Eva() implements LoraInit {}

  /** Context-oriented decomposition, arXiv:2406.05223. */
  record Corda() implements LoraInit {}

  /** The error of quantization, arXiv:2310.08659. */
  record Loftq() implements LoraInit {}

  /** The gradient of the weight, arXiv:2407.05000. */
  record LoraGa() implements LoraInit {}

  /** The smallest singular vectors of the weight, with only A trained. */
  record Mica() implements LoraInit {}

  /** The value of {@code init_lora_weights}: a Boolean or a String. */
  default Object toField() {
    if (this instanceof Standard) {
      return true;
    }
    if (this instanceof Random) {
      return false;
    }
    if (this instanceof Pissa pissa) {
      return pissa.niter().map(niter -> "pissa_niter_" + niter).orElse("pissa");
    }
    return this instanceof LoraGa ? "lora_ga" : getClass().getSimpleName().toLowerCase(Locale.ROOT);
  }

  /** The initialization with Python's name, or empty if there is none of that name. */
  static Optional<LoraInit> named(String name) {
    LoraInit found =
        switch (name.toLowerCase(Locale.ROOT)) {
          case "gaussian" -> new Gaussian();
          case "orthogonal" -> new Orthogonal();
          case "pissa" -> new Pissa(Optional.empty());
          case "olora" -> new Olora();
          case "eva" -> new Eva();
          case "corda" -> new Corda();
          case "loftq" -> new Loftq();
          case "lora_ga" -> new LoraGa();
          case "mica" -> new Mica();
          default -> name.matches("pissa_niter_\\d{1,4}") ? pissa(name) : null;
        };
    return Optional.ofNullable(found);
  }

  private static LoraInit pissa(String name) {
    return new Pissa(Integer.parseInt(name.substring("pissa_niter_".length())));
  }
}
