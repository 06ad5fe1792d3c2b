package org.peftjava.torch;

import org.junit.jupiter.api.Tag;
import org.peftjava.torch.cuda.DecodingKernels;

/** The kernel on a card. */
@Tag("gpu")
class DecodeAttentionGpuTest extends DecodeAttentionContract {
  DecodeAttentionGpuTest() {
    super(Device.cuda(0), DecodingKernels.on(0).orElseThrow());
  }
}
