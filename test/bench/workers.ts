import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** Runs one thread of `program` for each input, all at once; each answers with one message and ends. */
export async function runWorkers<Answer>(program: URL, inputs: readonly object[]): Promise<Answer[]> {
  return await Promise.all(
    inputs.map(async (workerData) => {
      const worker = new Worker(program, { workerData });
      const [answer] = await once(worker, "message");
      await worker.terminate();
      return answer as Answer;
    }),
  );
}
