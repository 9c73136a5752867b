import { describeRealMedium } from "../support/describe-real-medium.ts";

describeRealMedium("ext4");
