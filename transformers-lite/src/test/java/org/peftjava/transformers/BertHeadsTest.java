package org.peftjava.transformers;

/** The heads of BERT against the outputs of transformers. */
class BertHeadsTest extends HeadContractTest {
  BertHeadsTest() {
    super("heads_bert");
  }
}
