/** Judgement of a training by its two losses: whether a model generalizes or has learned its text by heart. */

/** What the losses say: little was learned, new text is predicted as well, less well, or the text is known by heart. */
export type Learning = 'little' | 'generalizes' | 'overfits' | 'by heart';

/** Up to this share of the validation loss, a gap between both losses does not count. */
const SMALL_GAP = 0.1;
/** Above this share of the loss of random guesses, a model has learned little. */
const NEAR_GUESSING = 0.7;
/** Nats. Below, the right token gets a typical chance of more than e^-1, 37 %. */
const KNOWN_TEXT = 1;

/** What the final losses, in nats per token, say about a model with a vocabulary of `vocabSize` tokens. */
export function learningOf(trainLoss: number, valLoss: number, vocabSize: number): Learning {
  const guessing = Math.log(vocabSize);
  if (Math.min(trainLoss, valLoss) > NEAR_GUESSING * guessing) return 'little';
  if (valLoss - trainLoss < SMALL_GAP * valLoss) return 'generalizes';
  return trainLoss < KNOWN_TEXT ? 'by heart' : 'overfits';
}
