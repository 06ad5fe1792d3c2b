package org.peftjava.transformers;

/** The heads of Llama against the outputs of transformers. */
class LlamaHeadsTest extends HeadContractTest {
  LlamaHeadsTest() {
    super("heads_llama");
  }
}
