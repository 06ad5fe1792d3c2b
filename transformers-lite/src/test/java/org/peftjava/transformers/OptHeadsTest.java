package org.peftjava.transformers;

/** The heads of OPT against the outputs of transformers. */
class OptHeadsTest extends HeadContractTest {
  OptHeadsTest() {
    super("heads_opt");
  }
}
