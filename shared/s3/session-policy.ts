/** Where the files of a workspace are. */
export interface Place {
  bucket: string;
  /** '' stands for the whole bucket. */
  prefix: string;
}

/**
 * What an agent may do with S3, as a session policy: all that it does below its prefix, and nothing else.
 *
 * @param createsBucket - whether it makes its bucket if there is none
 * @param tellsMissing - AWS tells a missing object from a forbidden one only to whoever may list, and a
 *   request for an object names no prefix: then a list that names none is let through as well
 * @param partition - AWS in China and for governments has ARNs of its own
 */
export function sessionPolicy(
  { bucket, prefix }: Place,
  {
    createsBucket,
    tellsMissing,
    partition = 'aws',
  }: { createsBucket: boolean; tellsMissing: boolean; partition?: string },
): string {
  const root = `arn:${partition}:s3:::${bucket}`;
  const below = prefix === '' ? '*' : `${prefix}/*`;
  const condition = { [tellsMissing ? 'StringLikeIfExists' : 'StringLike']: { 's3:prefix': [below] } };
  const statements = [
    { ...allow(['s3:ListBucket'], root), ...(prefix === '' ? {} : { Condition: condition }) },
    allow(['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'], `${root}/${below}`),
    ...(createsBucket ? [allow(['s3:CreateBucket'], root)] : []),
  ];
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

const allow = (Action: string[], resource: string) => ({ Effect: 'Allow', Action, Resource: [resource] });
