package org.peftjava.transformers;

/** The heads of GPT-2 against the outputs of transformers. */
class Gpt2HeadsTest extends HeadContractTest {
  Gpt2HeadsTest() {
    super("heads_gpt2");
  }
}
