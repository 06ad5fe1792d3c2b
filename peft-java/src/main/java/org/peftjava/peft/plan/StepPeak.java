package org.peftjava.peft.plan;

import org.peftjava.torch.DType;

/**
 * What exists at the moment of a step at which most exists: where the backward pass enters a stack
 * of layers, in the feed-forward block of the last one, or where the loss has its logits.
 *
 * @param gradients of what is trained
 * @param activations that are kept for the backward pass
 * @param loss logits, and the gradient of the hidden states
 * @param temporaries of one layer's backward pass, and the kernels' own room
 */
record StepPeak(long gradients, long activations, long loss, long temporaries) {

  static StepPeak of(ModelSizes sizes, StepOptions options) {
    StepKernels kernels = StepKernels.of(options);
    int size = options.dtype().byteSize();
    boolean again = options.gradientCheckpointing();
    long room = KernelRoom.bytes(sizes, options, kernels);
    long dense = dense(sizes, options, kernels);
    long before = sizes.stacks.stream().mapToLong(stack -> stack.biasBytes(options)).sum();
    StepPeak most = new StepPeak(0, 0, 0, 0);
    long shrinks = 0; // gradients grow while this goes, from the last layer to the first
    for (StackSizes stack : sizes.stacks) {
      long hidden = stack.tokens(options) * sizes.hidden * size;
      long layer = stack.layerBytes(options);
      long each = again ? hidden : layer;
      long kept = before + stack.layers() * each;
      shrinks += stack.layers() * each;
      long block =
          Math.max(
              sizes.feedForward.bytes(stack.tokens(options), sizes.hidden, size, dense, kernels),
              stack.scoreTemporaries(options));
      StepPeak here = new StepPeak(0, kept + (again ? layer : 0), hidden, block + room);
      most = here.bytes() > most.bytes() ? here : most;
      before = kept + 2 * hidden; // what its last norm reads and gives
    }
    long grown =
        Math.max(sizes.gradients / sizes.layers(), sizes.gradients + sizes.lastGradients - shrinks);
    return most.with(grown + sizes.firstGradients, sizes, options, before, kernels);
  }

  private long bytes() {
    return activations + loss + temporaries;
  }

  /** The same with logits and with gradients of what is trained. */
  private StepPeak with(
      long grown, ModelSizes sizes, StepOptions options, long keptAtTheLoss, StepKernels kernels) {
    DType type = options.dtype();
    long tokens = sizes.last().tokens(options);
    long rows = sizes.holdsLogits ? tokens : Math.min(MemoryPlan.LOSS_ROWS, tokens);
    long logits = rows * sizes.vocabulary;
    boolean stay = !sizes.holdsLogits && kernels.keepsLogits(type);
    long room = KernelRoom.bytes(sizes, options, kernels);
    long atTheLoss =
        keptAtTheLoss
            + tokens * sizes.hidden * type.byteSize()
            + logits * bytesOfALogit(sizes.holdsLogits, stay, type, kernels)
            + room;
    long beyond = Math.max(0, atTheLoss - bytes());
    return new StepPeak(
        grown,
        activations,
        loss + beyond + (stay ? logits * DType.FLOAT32.byteSize() : 0),
        temporaries);
  }

  /** What exists for the moment: not what lies in memory that stays. */
  private static int bytesOfALogit(boolean held, boolean stays, DType type, StepKernels kernels) {
    int wide = DType.FLOAT32.byteSize();
    int itself = stays ? 0 : type.byteSize();
    if (held) {
      // float32 logarithms, their gradient and what it becomes, of which autograd knows
      return 3 * wide + (type == DType.FLOAT32 ? 0 : itself);
    }
    // libtorch's operators have logarithms, shares, their gradient and it without ignored labels
    return itself + (kernels.losesInOnePass(type) ? 0 : 4 * wide);
  }

  /** A quantized weight made dense for one product, on a card, or in another type than its own. */
  private static long dense(ModelSizes sizes, StepOptions options, StepKernels kernels) {
    if (options.quantizationConfig().isEmpty() || kernels.densedInCaches) {
      return 0;
    }
    boolean cast = kernels.productType != options.dtype();
    long onCard = kernels.onCard ? options.dtype().byteSize() : 0;
    return sizes.largest * (onCard + (cast ? kernels.productType.byteSize() : 0));
  }
}
