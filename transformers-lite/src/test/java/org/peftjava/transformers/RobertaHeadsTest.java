package org.peftjava.transformers;

/** The heads of RoBERTa against the outputs of transformers. */
class RobertaHeadsTest extends HeadContractTest {
  RobertaHeadsTest() {
    super("heads_roberta");
  }
}
