// A thread that serves databases to the one that started it.

import { parentPort } from 'node:worker_threads'
import { serve } from '../../worker.js'

serve(parentPort)
